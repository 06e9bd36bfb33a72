import type { GenerateSpec, SequenceDriver, TokenBatch } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvLayer, KvSnapshot } from '../kv/kv-snapshot.js';
import { sliceKvSnapshot } from '../kv/slice-kv-snapshot.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { type AdapterSet, driverUses, noAdapters } from './adapter-set.js';
import { commonTokens, type Undertaking } from './coming-beginning.js';
import { PausableBatches } from './pausable-batches.js';
import { PoolPlaces } from './pool-places.js';

/**
 * `idle`: in nobody's hands, with what it cached. `borrowed`: a stateless run works on it. `resting`
 * and `running`: a session's, without and with a run. `evicting`: its cache is being given up.
 * `closing`: it still counts until it is parked.
 */
export type SequenceState = 'idle' | 'borrowed' | 'resting' | 'running' | 'evicting' | 'closing';

/** A driver's sequence together with the tokens that its cache stands for. */
export class CachedSequence {
  #driver: SequenceDriver;
  /** Tokens in the cache; as many as the driver says that it holds. */
  #tokens: Token[] = [];
  /** What the last generation gives, while or after it is read. */
  #batches: PausableBatches | undefined;
  /** When a run came to wait for its reader outside of a generation; `undefined` where none does. */
  #waitsSince: number | undefined;
  #givingUp: Promise<void> | undefined;
  #adapters: AdapterSet = noAdapters;
  /** Grows with every use; the smallest of several is the one used longest ago. */
  lastUse = 0;
  /** In whose hands it is; kept by its pool. */
  state: SequenceState = 'idle';
  /** Whether what is cached was left behind by another conversation; kept by its pool. */
  inherited = false;
  /** Grows when a cut of its cache begins, and when it has ended. */
  cuts = 0;
  /** Tokens that a run on it has been promised room for; kept by its pool. */
  reservedTokens = 0;
  /** What the run on it computes or imports, as long as it has that room; kept by its pool. */
  undertakes: Undertaking | undefined;
  readonly #onGrowth: () => void;

  /** @param onGrowth told when a run has computed more of it. */
  constructor(driver: SequenceDriver, onGrowth: () => void = () => undefined) {
    this.#driver = driver;
    this.#onGrowth = onGrowth;
  }

  /** Tokens in the cache. */
  get tokenCount(): number {
    return this.#driver.tokenCount;
  }

  /** Tokens in the cache that are known here, too: what was imported is not before it is noted. */
  get knownTokens(): number {
    return Math.min(this.tokenCount, this.#tokens.length);
  }

  /** Tokens in the cache that belong to the conversation in whose hands it is. */
  get ownTokens(): number {
    return this.inherited ? 0 : this.tokenCount;
  }

  /**
   * Tokens at the beginning that were computed with nothing but the tokens before them. The others have
   * moved up behind what was taken out: good for this conversation, and for no other.
   */
  exactTokens = Infinity;
  /** Tokens at the beginning that other conversations may copy: exact ones that this engine computed. */
  copyableTokens = Infinity;
  /** The saved cache that the tokens behind those are of, and how many at the beginning still are. */
  #imported: { readonly sha256: string; readonly tokenCount: number } | undefined;
  /** Where in a shared pool its tokens lie. */
  places = new PoolPlaces();
  /** Where those of the copy will lie that it is making. */
  #copyPlaces: PoolPlaces | undefined;

  /** Tokens cached or promised. */
  get heldTokens(): number {
    return Math.max(this.#driver.tokenCount, this.reservedTokens);
  }

  /** Places of a shared pool, with the tokens that it has there, was promised, or is copying. */
  holdings(promisedTokens: number): readonly (readonly [PoolPlaces, number])[] {
    const tokens = Math.max(this.heldTokens, promisedTokens);
    if (!this.#copyPlaces) return [[this.places, tokens]];
    return [
      [this.places, this.knownTokens],
      [this.#copyPlaces, tokens],
    ];
  }

  /**
   * Tokens at the beginning that may be copied by whoever is about to import a saved cache with that
   * sha256, or by anybody. Who would get the same keys and values from the file anyway may get them here.
   */
  lentTokens(sha256: string | undefined): number {
    const imported = this.#imported?.sha256 === sha256 ? this.#imported?.tokenCount : undefined;
    return Math.max(this.copyableTokens, imported ?? 0);
  }

  /** The adapters that its cache was computed with, and what comes next will be. */
  get adapters(): AdapterSet {
    return this.#adapters;
  }

  /** Computes with these adapters from now on. What was cached with others is dropped. */
  async useAdapters(adapters: AdapterSet): Promise<void> {
    if (adapters.key === this.#adapters.key) return;
    await this.truncate(0);
    if (!this.#driver.setAdapters) throw missing('setAdapters');
    await this.#driver.setAdapters(driverUses(adapters));
    this.#adapters = adapters;
  }

  /** How many tokens at the beginning of a prompt are in the cache, as these adapters compute them. */
  sharedTokens(prompt: readonly Token[], adapters: AdapterSet): number {
    if (adapters.key !== this.#adapters.key) return 0;
    // While it generates, what it was fed runs ahead of what is cached.
    return commonTokens(prompt, this.#tokens, this.knownTokens);
  }

  /**
   * How many cached tokens a prompt can use: one less than it has at most, because the logits after
   * its last token have to be computed.
   */
  usableTokens(prompt: readonly Token[], adapters: AdapterSet): number {
    return Math.min(this.sharedTokens(prompt, adapters), Math.max(0, prompt.length - 1));
  }

  /**
   * Cuts the cache to what a prompt can use with some adapters, and returns that many tokens. With `shifts`
   * what the prompt leaves out may be taken out of the middle of the cache.
   */
  async reuse(
    prompt: readonly Token[],
    { shifts, adapters }: { readonly shifts: boolean; readonly adapters: AdapterSet },
  ): Promise<number> {
    this.inherited = false;
    await this.readOn();
    await this.useAdapters(adapters);
    if (shifts) await this.#closeGap(prompt);
    await this.truncate(this.usableTokens(prompt, adapters));
    return this.tokenCount;
  }

  /**
   * Where a prompt has the same beginning as the cache, and then goes on as the cache does further on:
   * takes out what lies between.
   */
  async #closeGap(prompt: readonly Token[]): Promise<void> {
    const from = this.sharedTokens(prompt, this.#adapters);
    // Places that others hold, too, cannot be moved.
    if (!this.#driver.removeTokens || this.places.commonTokens > from) return;
    const to = findGapEnd(this.#tokens, prompt, from);
    if (to === undefined) return;
    const { exactTokens, copyableTokens } = this;
    // From now on: who copies meanwhile would take moved tokens for those that lay there.
    this.exactTokens = Math.min(exactTokens, from);
    this.copyableTokens = Math.min(copyableTokens, from);
    this.#keepImported(from);
    let removed = false;
    try {
      removed = await this.#driver.removeTokens(from, to);
    } finally {
      if (removed) this.#tokens.splice(from, to - from);
      else Object.assign(this, { exactTokens, copyableTokens });
    }
  }

  /** Cuts the cache to what any conversation may use. */
  async leaveBehind(): Promise<void> {
    await this.truncate(Math.min(this.tokenCount, this.exactTokens, this.copyableTokens));
  }

  /** Cuts the cache to its first tokens, or to none where the engine cannot cut within. */
  async truncate(tokenCount: number): Promise<void> {
    this.cuts++;
    if (this.#givingUp) await this.#givingUp;
    if (tokenCount < this.#driver.tokenCount) await this.#driver.truncate(tokenCount);
    this.cuts++;
    this.#tokens.length = Math.min(this.#tokens.length, this.#driver.tokenCount);
    this.places.cut(this.#tokens.length);
    if (this.#tokens.length <= this.exactTokens) this.exactTokens = Infinity;
    if (this.#tokens.length <= this.copyableTokens) this.copyableTokens = Infinity;
    this.#keepImported(this.#tokens.length);
  }

  /** Of an imported cache the first tokens are left; what comes behind them is computed here. */
  #keepImported(tokenCount: number): void {
    if (this.copyableTokens === Infinity) this.#imported = undefined;
    if (!this.#imported || this.#imported.tokenCount <= tokenCount) return;
    this.#imported = { ...this.#imported, tokenCount };
  }

  /**
   * Replaces the cache by the first tokens of another one, which may be generating. Returns false, and
   * keeps it, where that cannot be.
   */
  async copyFrom(source: CachedSequence, tokenCount: number): Promise<boolean> {
    // As they are now: meanwhile the other one may be cut, and filled again.
    const tokens = source.#tokens.slice(0, tokenCount);
    const lent = source.places.lend(tokenCount);
    const { copyableTokens } = source;
    const imported = source.#imported;
    this.#copyPlaces = new PoolPlaces();
    this.#copyPlaces.take(lent);
    try {
      if (!(await this.#driver.copyFrom?.(source.#driver, tokenCount))) return false;
    } finally {
      this.#copyPlaces = undefined;
    }
    this.#tokens = tokens;
    this.places.take(lent);
    this.exactTokens = Infinity;
    // What nobody but an import of the same cache may have stays so.
    const trusted = tokenCount <= copyableTokens;
    this.copyableTokens = trusted ? Infinity : copyableTokens;
    this.#imported = trusted || !imported ? undefined : { ...imported, tokenCount };
    return true;
  }

  /** Trades caches with another one, while nobody works on either. */
  trade(other: CachedSequence): void {
    // What is being given up is cut at any moment, wherever it is then.
    if (this.#givingUp || other.#givingUp) return;
    [this.#driver, other.#driver] = [other.#driver, this.#driver];
    [this.#tokens, other.#tokens] = [other.#tokens, this.#tokens];
    [this.#adapters, other.#adapters] = [other.#adapters, this.#adapters];
    [this.#imported, other.#imported] = [other.#imported, this.#imported];
    [this.places, other.places] = [other.places, this.places];
    [this.exactTokens, other.exactTokens] = [other.exactTokens, this.exactTokens];
    [this.copyableTokens, other.copyableTokens] = [other.copyableTokens, this.copyableTokens];
  }

  /** Appends tokens and generates; keeps the record of the cache through breaks and aborts. */
  async *generate(
    newTokens: readonly Token[],
    spec: GenerateSpec,
    signal: AbortSignal,
  ): AsyncGenerator<TokenBatch, void, void> {
    const fed = [...this.#tokens, ...newTokens];
    this.#tokens = fed;
    const batches = new PausableBatches(this.#driver.generate(newTokens, spec, signal));
    this.#batches = batches;
    this.#waitsSince = undefined;
    try {
      for await (const batch of batches.read()) {
        for (const token of batch.tokens) fed.push(token);
        this.#onGrowth();
        yield batch;
      }
    } finally {
      // A driver that ran ahead of its reader holds tokens that were never seen here: they are cut
      // off, so that the record and the cache agree.
      this.#waitsSince = performance.now();
      await this.truncate(fed.length);
    }
  }

  /**
   * Since when, in milliseconds of `performance.now()`, the run on it has had something that its reader
   * does not take, be it the end; `undefined` while it works, or waits.
   */
  get unreadSince(): number | undefined {
    return this.#batches?.unreadSince ?? this.#waitsSince;
  }

  /** Of so many milliseconds without a reader those that are left; all of them while none is missed. */
  patienceLeft(patienceMs: number): number {
    const { unreadSince } = this;
    return unreadSince === undefined ? patienceMs : unreadSince + patienceMs - performance.now();
  }

  /** Notes that the run on it has something for its reader before it goes on. */
  awaitReader(): void {
    this.#waitsSince = performance.now();
  }

  /** The reader has come, or nobody reads: from here on the cache is in use, and not given up. */
  async readOn(): Promise<void> {
    this.#waitsSince = undefined;
    if (this.#givingUp) await this.#givingUp;
  }

  /**
   * Gives up the cache of a run whose reader does not read. When it reads on, the run is told that the
   * context was full, makes room anew and goes on from the last token that was read.
   */
  async giveUp(): Promise<void> {
    // At once: who reads on meanwhile sees that it has lost its room.
    this.reservedTokens = 0;
    this.cuts++;
    this.#givingUp ??= (async () => {
      await this.#batches?.stop();
      if (this.tokenCount > 0) await this.#driver.truncate(0);
    })().finally(() => (this.#givingUp = undefined));
    await this.#givingUp;
    await this.truncate(0);
  }

  /**
   * Reads the cache, to be written to a file.
   *
   * @throws MobillmError `UNSUPPORTED` where this engine, or this model's cache, cannot be read.
   */
  async export(signal: AbortSignal): Promise<KvSnapshot> {
    if (!this.#driver.exportKv) throw missing('exportKv');
    await this.readOn();
    return this.#driver.exportKv({ signal });
  }

  /**
   * Appends what the cache does not have yet of one that was exported, whose sha256 is that of all its
   * bytes.
   *
   * @throws MobillmError as `SequenceDriver.importKv` does; the cache is then as it was.
   */
  async import(snapshot: KvSnapshot, sha256: string, signal: AbortSignal): Promise<void> {
    if (!this.#driver.importKv) throw missing('importKv');
    const had = this.#driver.tokenCount;
    await this.#driver.importKv(await endOf(snapshot, had), signal);
    if (this.#driver.tokenCount !== snapshot.tokens.length) {
      await this.truncate(had);
      throw new MobillmError(
        'NATIVE_FAILURE',
        'The engine did not take all of a saved cache over, without saying why.',
      );
    }
    this.#tokens = [...snapshot.tokens];
    // Nobody knows that these keys and values are of these tokens: what is wrong stays in here.
    // But not from who imports the same bytes, and so has what is wrong already.
    if (had <= this.lentTokens(sha256))
      this.#imported = { sha256, tokenCount: snapshot.tokens.length };
    this.copyableTokens = Math.min(this.copyableTokens, had);
  }

  /** Frees it. */
  close(): Promise<void> {
    return this.#driver.close();
  }
}

/** Tokens that have to agree before a gap is believed in. */
const gapEvidence = 16;

/**
 * Where the cache goes on longest as the prompt does behind what they have in common; `undefined` where
 * it nowhere does.
 */
function findGapEnd(
  cached: readonly Token[],
  prompt: readonly Token[],
  from: number,
): number | undefined {
  let best = { to: 0, agreeing: gapEvidence - 1 };
  for (let to = from + 1; to + best.agreeing < cached.length; to++) {
    let agreeing = 0;
    while (
      from + agreeing < prompt.length &&
      to + agreeing < cached.length &&
      cached[to + agreeing] === prompt[from + agreeing]
    ) {
      agreeing++;
    }
    if (agreeing > best.agreeing) best = { to, agreeing };
  }
  return best.to > 0 ? best.to : undefined;
}

/** The end of a snapshot, cut a layer at a time: all at once would hold the thread up. */
async function endOf(snapshot: KvSnapshot, fromToken: number): Promise<KvSnapshot> {
  if (fromToken === 0) return snapshot;
  let end = snapshot;
  const layers: KvLayer[] = [];
  for (const layer of snapshot.layers) {
    end = sliceKvSnapshot({ ...snapshot, layers: [layer] }, fromToken);
    layers.push(...end.layers);
    await new Promise((resolve) => setTimeout(resolve));
  }
  return { ...end, layers };
}

function missing(method: string): MobillmError {
  return new MobillmError(
    'UNSUPPORTED',
    `The engine declares "${method}" and has no such method. This is a fault of the engine; its author can find it with describeEngine.`,
  );
}
