import type { EngineCapabilities } from '../engine/capabilities.js';
import type { ModelDriver } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { AdapterHandle } from './adapter-handle.js';
import { type AdapterSet, noAdapters } from './adapter-set.js';
import { allOf } from './all-of.js';
import { CachedSequence } from './cached-sequence.js';
import { ComingBeginning, type Waiter } from './coming-beginning.js';
import { maxWaiting } from './job-limit.js';
import { onAbort } from './on-abort.js';
import { PoolPlaces } from './pool-places.js';

/** Milliseconds after which a run whose reader does not read has to make room for others. */
const defaultPatienceMs = 1000;

/**
 * The sequences of one model. Sessions take one until they close; stateless generations borrow one. What
 * either cached stays behind for the next prompt that begins alike.
 *
 * Every change of a sequence's state wakes all who wait, and each looks again for itself: there is no
 * wake-up that can be lost.
 */
export class SequencePool {
  readonly #model: ModelDriver;
  readonly #limit: number;
  readonly #capabilities: Pick<EngineCapabilities, 'copySequence' | 'removeTokens' | 'truncate'>;
  readonly #sequences = new Set<CachedSequence>();
  /** Borrowers that wait, first come first served. */
  readonly #queue: symbol[] = [];
  readonly #watchers = new Set<() => void>();
  /** Runs that wait for room, or for a beginning, in the order in which they came. */
  readonly #waiting: Claim[] = [];
  /** Runs that have come. */
  #claims = 0;
  /** Whether nobody has been refused a part of a cache, as by models that can only copy whole ones. */
  #copiesParts = true;
  readonly #patienceMs: number;
  /** Sequences that are being created. */
  #creating = 0;
  #uses = 0;

  /**
   * @param limit sequences that may be open at once.
   * @param capabilities of the engine.
   * @param patienceMs how long a run that nobody reads keeps its room from those who wait for it.
   */
  constructor(
    model: ModelDriver,
    limit: number,
    capabilities: Pick<EngineCapabilities, 'copySequence' | 'removeTokens' | 'truncate'>,
    patienceMs = defaultPatienceMs,
  ) {
    this.#patienceMs = patienceMs;
    this.#model = model;
    this.#limit = limit;
    this.#capabilities = capabilities;
  }

  /**
   * Takes a sequence for a session.
   *
   * @throws MobillmError `BUSY` when all are in use.
   */
  async take(signal: AbortSignal): Promise<CachedSequence> {
    for (;;) {
      signal.throwIfAborted();
      const claimed = this.#tryClaim([], noAdapters, 'resting');
      if (claimed) return await claimed;
      if (!this.#some('closing', 'evicting')) throw this.#allInUse();
      await this.#change(signal);
    }
  }

  /**
   * Borrows the sequence that shares most with a prompt and its adapters; waits for one where all are in
   * use.
   *
   * @throws MobillmError `BUSY` when sessions hold all of them, or too many wait already.
   */
  async borrow(
    prompt: readonly Token[],
    signal: AbortSignal,
    adapters = noAdapters,
  ): Promise<CachedSequence> {
    if (this.#queue.length >= maxWaiting) throw tooManyWaiting();
    const ticket = Symbol('borrower');
    this.#queue.push(ticket);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#queue[0] === ticket) {
          const claimed = this.#tryClaim(prompt, adapters, 'borrowed');
          if (claimed) {
            // Whose sequence is being created waits for nobody: the next one may look for its own.
            this.#leaveQueue(ticket);
            return await claimed;
          }
          if (!this.#some('borrowed', 'closing', 'evicting') && this.#creating === 0) {
            throw this.#allInUse();
          }
        }
        await this.#change(signal);
      }
    } finally {
      this.#leaveQueue(ticket);
    }
  }

  #leaveQueue(ticket: symbol): void {
    const place = this.#queue.indexOf(ticket);
    if (place < 0) return;
    this.#queue.splice(place, 1);
    this.#changed();
  }

  /** Gives a borrowed sequence back, with its cache. */
  giveBack(sequence: CachedSequence): void {
    this.#set(sequence, 'idle');
  }

  /** Begins a run on a session's sequence, once nobody is cutting its cache. */
  async wake(sequence: CachedSequence, signal: AbortSignal): Promise<void> {
    while (sequence.state === 'evicting') {
      signal.throwIfAborted();
      await this.#change(signal);
    }
    signal.throwIfAborted();
    this.#set(sequence, 'running');
  }

  /** Ends a run on a session's sequence. */
  rest(sequence: CachedSequence): void {
    if (sequence.state === 'running') this.#set(sequence, 'resting');
  }

  /** Announces that a session's sequence will be parked, so that whoever needs one waits for it. */
  leave(sequence: CachedSequence): void {
    if (sequence.state !== 'evicting') this.#set(sequence, 'closing');
  }

  /** Takes back the sequence that a session had. What it cached stays behind for others. */
  async park(sequence: CachedSequence): Promise<void> {
    if (!this.#sequences.has(sequence)) return;
    while (sequence.state === 'evicting') await this.#change();
    this.#set(sequence, 'closing');
    try {
      await sequence.leaveBehind();
      sequence.lastUse = ++this.#uses;
      this.#set(sequence, 'idle');
    } catch (error) {
      // It is in no state that anybody could go on from.
      this.#sequences.delete(sequence);
      await sequence.close();
      throw error;
    } finally {
      this.#changed();
    }
  }

  /**
   * Cuts a sequence's cache to what some tokens can use, or takes over what another one has of them if
   * that is more, and makes room for the rest of them and for `moreTokens` after them. Returns how many
   * are cached.
   *
   * Where sequences share one pool of tokens, caches that nobody works on go first, the one used
   * longest ago before others; they are computed again when they are needed. If runs hold the rest,
   * this one gives up its own cache, so that they can end, and waits for one of them to. A run whose reader
   * has not read for a while would keep it waiting for ever: it has to give way, too.
   *
   * Where another run computes, or imports, a longer beginning of these tokens than anybody has yet, that is
   * waited for and taken over. If that run ends before, one of those that wait goes on from what there is.
   *
   * With `shifts` tokens that the prompt leaves out may be taken out of the middle of the cache. Only what
   * was computed with the same `adapters` counts. `imports` is the sha256 of a saved cache of these tokens
   * that is about to be imported: what another one has imported of that is taken over, too.
   */
  async prepare(
    sequence: CachedSequence,
    tokens: readonly Token[],
    moreTokens: number,
    signal: AbortSignal,
    {
      shifts = false,
      adapters = noAdapters,
      imports,
    }: {
      readonly shifts?: boolean;
      readonly adapters?: AdapterSet;
      readonly imports?: string;
    } = {},
  ): Promise<number> {
    const wanted = Math.min(tokens.length + moreTokens, this.#model.contextTokens);
    const closesGaps = shifts && this.#capabilities.removeTokens;
    this.#tradeForMost(sequence, tokens, adapters);
    await sequence.reuse(tokens, { shifts: closesGaps, adapters });
    // One that goes on is waited for by the others: it may pass them, and its end is what they need.
    const goesOn = sequence.reservedTokens > 0;
    const number = ++this.#claims;
    const claim: Claim = {
      ...{ sequence, tokens, wanted, imports, number, goesOn },
      awaits: undefined,
      letDown: false,
    };
    this.#waiting.push(claim);
    // What was cut off may be what somebody waits for, who has the first right to it.
    this.#changed();
    try {
      return await this.#makeRoom(claim, signal);
    } finally {
      this.#waiting.splice(this.#waiting.indexOf(claim), 1);
      this.#changed();
    }
  }

  async #makeRoom(claim: Claim, signal: AbortSignal): Promise<number> {
    const { sequence, wanted, goesOn } = claim;
    const refused = new Set<CachedSequence>();
    for (;;) {
      signal.throwIfAborted();
      if (this.#copiesParts && claim.awaits?.isDue(this.#patienceMs)) {
        await this.#change(signal, claim.awaits.sequence.patienceLeft(this.#patienceMs));
        continue;
      }
      if (claim.awaits?.isLaterThan(claim) && !claim.awaits.isThere) claim.letDown = true;
      const others = [...this.#sequences].filter((other) => other !== sequence);
      const donors = others.filter((other) => !refused.has(other));
      const donor = this.#donor(claim, donors);
      claim.awaits = this.#coming(claim, donors, donor?.usable ?? sequence.tokenCount);
      if (claim.awaits) {
        // Who waits for room behind it need not wait for this one meanwhile.
        this.#changed();
        continue;
      }
      const first = this.#waiting.find(({ awaits }) => !awaits);
      const ahead = goesOn || first === claim ? undefined : first;
      if (this.#fits(claim, others, donor, ahead)) {
        sequence.reservedTokens = wanted;
        sequence.undertakes = claim;
        const cuts = donor?.sequence.cuts;
        if (!donor || (await sequence.copyFrom(donor.sequence, donor.usable))) {
          return sequence.tokenCount;
        }
        // It was cut meanwhile, or can only be copied whole. Without it there may be no room.
        refused.add(donor.sequence);
        sequence.reservedTokens = 0;
        const wasCut = donor.sequence.cuts !== cuts;
        if (!wasCut && donor.sequence.knownTokens > donor.usable) this.#copiesParts = false;
        this.#changed();
        continue;
      }
      const unused = others.filter((other) => isUnused(other) && other.tokenCount > 0);
      const victim = oldest(unused.filter((other) => other !== donor?.sequence)) ?? oldest(unused);
      if (donor && victim === donor.sequence) {
        // The last to go: what can be used of it is kept. It may go by itself meanwhile.
        if (!(await sequence.copyFrom(victim, donor.usable))) refused.add(victim);
      } else if (victim) await this.#evict(victim);
      else if (sequence.heldTokens > 0) {
        sequence.reservedTokens = 0;
        await sequence.truncate(0);
        // What changed meanwhile woke nobody here: looked at again before anything is waited for.
        this.#changed();
      } else await this.#waitForRoom(others, ahead === undefined, signal);
    }
  }

  /**
   * Waits for a change where runs hold all the room. With the first right to it, the run that nobody has
   * read from for longest gives up its cache meanwhile.
   */
  async #waitForRoom(
    others: readonly CachedSequence[],
    isFirst: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const stalled = others
      .filter(
        ({ state, unreadSince, heldTokens }) =>
          (state === 'borrowed' || state === 'running') &&
          unreadSince !== undefined &&
          heldTokens > 0,
      )
      .sort((a, b) => (a.unreadSince ?? 0) - (b.unreadSince ?? 0))[0];
    if (!isFirst) return this.#change(signal);
    const leftMs = stalled?.patienceLeft(this.#patienceMs) ?? this.#patienceMs;
    // Nobody tells when a reader stops reading: looked at from time to time.
    if (!stalled || leftMs > 0) return this.#change(signal, leftMs);
    try {
      await stalled.giveUp();
    } catch {
      // What breaks there is for its own reader to hear. Here it means that there is no room yet.
      return this.#change(signal, this.#patienceMs);
    }
    this.#changed();
  }

  /**
   * Whether a sequence may hold so many tokens beside the others, once it has copied. Who waits longest
   * is counted as if it had its room already: many small ones would always find some before it does.
   */
  #fits(
    { sequence, wanted }: Claim,
    others: readonly CachedSequence[],
    donor: Donor | undefined,
    ahead: Claim | undefined,
  ): boolean {
    const own = donor ? PoolPlaces.following(donor.sequence.places, donor.usable) : sequence.places;
    const held = others.flatMap((other) =>
      other.holdings(other === ahead?.sequence ? ahead.wanted : 0),
    );
    return PoolPlaces.count([[own, wanted], ...held]) <= this.#model.kvPoolTokens;
  }

  /** Who has more of a run's tokens cached than its own sequence, and lets it be copied. */
  #donor(
    { sequence, tokens, imports }: Claim,
    others: readonly CachedSequence[],
  ): Donor | undefined {
    if (!this.#capabilities.copySequence) return undefined;
    const { adapters } = sequence;
    let best: Donor | undefined;
    for (const other of others) {
      if (other.state === 'evicting' || other.state === 'closing') continue;
      const usable = this.#usable(other, tokens, adapters, imports);
      if (usable > (best?.usable ?? sequence.tokenCount)) best = { sequence: other, usable };
    }
    return best;
  }

  /** How many cached tokens of a sequence can be had for a prompt, where the rest can be left behind. */
  #usable(
    other: CachedSequence,
    tokens: readonly Token[],
    adapters: AdapterSet,
    imports?: string,
  ): number {
    const usable = Math.min(other.usableTokens(tokens, adapters), other.lentTokens(imports));
    const cuts = this.#capabilities.truncate === 'exact';
    return cuts || usable === other.tokenCount ? usable : 0;
  }

  /**
   * Where caches cannot be copied: gives what was left behind on a sequence that a session has just taken
   * for what was left behind elsewhere, if that is most of a prompt. For less it is worth keeping.
   */
  #tradeForMost(sequence: CachedSequence, tokens: readonly Token[], adapters: AdapterSet): void {
    if (this.#capabilities.copySequence || sequence.ownTokens > 0) return;
    const usable = (other: CachedSequence) => this.#usable(other, tokens, adapters);
    const best = this.#bestIdle(usable);
    const least = Math.max(usable(sequence), tokens.length / 2);
    if (best && usable(best) > least) sequence.trade(best);
  }

  /** What a run can have from another one, and has not yet, if it waits. */
  #coming(
    claim: Claim,
    others: readonly CachedSequence[],
    available: number,
  ): ComingBeginning | undefined {
    const { copySequence, truncate } = this.#capabilities;
    // When it is there, the other one goes on: where only whole caches are copied, it would be in vain.
    const copiesParts = copySequence && truncate === 'exact' && this.#copiesParts;
    if (!copiesParts || claim.goesOn) return undefined;
    return ComingBeginning.find(claim, others, available, this.#patienceMs);
  }

  /** Wakes who waits for what a sequence now has. */
  #grown(sequence: CachedSequence): void {
    const isThere = ({ awaits }: Claim) => awaits?.sequence === sequence && awaits.isThere;
    if (this.#waiting.some(isThere)) this.#changed();
  }

  /** Drops what was cached with an adapter that nobody applies any more, and waits for who still has it. */
  async dropAdapter(adapter: AdapterHandle): Promise<void> {
    for (;;) {
      const users = [...this.#sequences].filter((sequence) =>
        sequence.adapters.uses.some((use) => use.adapter === adapter),
      );
      if (users.length === 0) return;
      const unused = users.find(isUnused);
      if (unused) await this.#evict(unused, noAdapters);
      else await this.#change();
    }
  }

  /** Frees every sequence. */
  async close(): Promise<void> {
    const all = [...this.#sequences];
    this.#sequences.clear();
    this.#changed();
    await allOf(all.map((sequence) => sequence.close()));
  }

  async #evict(victim: CachedSequence, adapters = victim.adapters): Promise<void> {
    const { state } = victim;
    this.#set(victim, 'evicting');
    try {
      await victim.truncate(0);
      await victim.useAdapters(adapters);
    } finally {
      this.#set(victim, state);
    }
  }

  /**
   * Claims a sequence, or begins to create one; `undefined` where there is none to be had. Decides at
   * once: whoever then waits for a change has missed none.
   */
  #tryClaim(
    prompt: readonly Token[],
    adapters: AdapterSet,
    state: 'resting' | 'borrowed',
  ): Promise<CachedSequence> | undefined {
    const shared = (sequence: CachedSequence) => sequence.sharedTokens(prompt, adapters);
    const best = this.#bestIdle(shared);
    const mayCreate = this.#sequences.size + this.#creating < this.#limit;
    // A cache that the prompt goes on from is used up anyway; another one is worth keeping as it is.
    const extendsBest = best !== undefined && shared(best) === best.tokenCount;
    if (mayCreate && !extendsBest) return this.#create(state);
    if (!best) return undefined;
    // One that shares nothing is the one used longest ago already.
    const spared = this.#capabilities.copySequence && shared(best) > 0;
    const chosen = spared && !extendsBest ? this.#leastUsed(best) : best;
    this.#use(chosen, state);
    return Promise.resolve(chosen);
  }

  async #create(state: 'resting' | 'borrowed'): Promise<CachedSequence> {
    this.#creating++;
    try {
      const driver = await this.#model.createSequence();
      const sequence: CachedSequence = new CachedSequence(driver, () => {
        this.#grown(sequence);
      });
      this.#sequences.add(sequence);
      this.#use(sequence, state);
      return sequence;
    } finally {
      this.#creating--;
      this.#changed();
    }
  }

  #use(sequence: CachedSequence, state: 'resting' | 'borrowed'): void {
    sequence.lastUse = ++this.#uses;
    sequence.inherited = sequence.tokenCount > 0;
    this.#set(sequence, state);
  }

  /** The idle sequence that shares most with a prompt; of equals, the one used longest ago. */
  #bestIdle(shared: (sequence: CachedSequence) => number): CachedSequence | undefined {
    let best: CachedSequence | undefined;
    for (const sequence of this.#sequences) {
      if (sequence.state !== 'idle') continue;
      const gain = best ? shared(sequence) - shared(best) : 1;
      if (gain > 0 || (gain === 0 && best && sequence.lastUse < best.lastUse)) best = sequence;
    }
    return best;
  }

  /** The idle sequence used longest ago, but where there is another not this one: that is copied. */
  #leastUsed(except: CachedSequence): CachedSequence {
    const idle = [...this.#sequences].filter(
      (sequence) => sequence.state === 'idle' && sequence !== except,
    );
    return oldest(idle) ?? except;
  }

  #some(...states: CachedSequence['state'][]): boolean {
    return [...this.#sequences].some((sequence) => states.includes(sequence.state));
  }

  #set(sequence: CachedSequence, state: CachedSequence['state']): void {
    sequence.state = state;
    if (isUnused(sequence)) {
      sequence.reservedTokens = 0;
      sequence.undertakes = undefined;
    }
    this.#changed();
  }

  /** Settles at the next change, when the signal is aborted, or after so many milliseconds. */
  #change(signal?: AbortSignal, atMostMs?: number): Promise<void> {
    return new Promise((resolve) => {
      let ignoreAbort = (): void => undefined;
      const wake = () => {
        clearTimeout(timer);
        this.#watchers.delete(wake);
        ignoreAbort();
        resolve();
      };
      const timer = atMostMs === undefined ? undefined : setTimeout(wake, atMostMs);
      this.#watchers.add(wake);
      ignoreAbort = onAbort(signal, wake);
    });
  }

  #changed(): void {
    for (const wake of [...this.#watchers]) wake();
  }

  #allInUse(): MobillmError {
    return new MobillmError(
      'BUSY',
      `All ${this.#limit} sequences of this model are in use. Close a session, or open the model with a larger "sequences".`,
      { retryable: true, details: { sequences: this.#limit } },
    );
  }
}

/** A run that wants so many tokens to have room. */
interface Claim extends Waiter {
  readonly wanted: number;
  /** Whether it had room before, and only wants more. */
  readonly goesOn: boolean;
  /** What it waits for before it wants room. */
  awaits: ComingBeginning | undefined;
}

/** A sequence whose first tokens another one can use. */
interface Donor {
  readonly sequence: CachedSequence;
  readonly usable: number;
}

/** Whether nobody works on a sequence now, so that its cache may be given up. */
function isUnused(sequence: CachedSequence): boolean {
  return sequence.state === 'idle' || sequence.state === 'resting';
}

/** Stateless caches before those of sessions; of these, the one used longest ago. */
function oldest(sequences: readonly CachedSequence[]): CachedSequence | undefined {
  const rank = (sequence: CachedSequence) => (sequence.state === 'idle' ? 0 : 1);
  return [...sequences].sort((a, b) => rank(a) - rank(b) || a.lastUse - b.lastUse)[0];
}

function tooManyWaiting(): MobillmError {
  return new MobillmError(
    'BUSY',
    `${maxWaiting} generations wait for a sequence of this model already. Try again when some have finished.`,
    { retryable: true, details: { waiting: maxWaiting } },
  );
}
