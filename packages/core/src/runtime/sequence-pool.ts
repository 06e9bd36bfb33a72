import type { ModelDriver } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { CachedSequence } from './cached-sequence.js';

/** Stateless generations that may wait for a sequence; one more is refused. */
const maxWaiting = 64;

/**
 * The sequences of one model. Sessions take one until they close; stateless generations borrow one,
 * and what it cached stays behind for the next prompt that begins alike.
 */
export class SequencePool {
  readonly #model: ModelDriver;
  readonly #limit: number;
  /** Sequences in nobody's hands, with what they cached. */
  readonly #idle = new Set<CachedSequence>();
  readonly #taken = new Set<CachedSequence>();
  readonly #waiting: (() => void)[] = [];
  /** Sequences that are being created. */
  #creating = 0;
  #uses = 0;

  constructor(model: ModelDriver, limit: number) {
    this.#model = model;
    this.#limit = limit;
  }

  /**
   * Takes a sequence for a session.
   *
   * @throws MobillmError `BUSY` when all are in use.
   */
  async take(): Promise<CachedSequence> {
    const sequence = await this.#tryTake([]);
    if (sequence) return sequence;
    throw new MobillmError(
      'BUSY',
      `All ${this.#limit} sequences of this model are in use. Close a session, or open the model with a larger "sequences".`,
      { retryable: true, details: { sequences: this.#limit } },
    );
  }

  /** Borrows the sequence that shares most with a prompt; waits for one where all are in use. */
  async borrow(prompt: readonly Token[], signal: AbortSignal): Promise<CachedSequence> {
    for (;;) {
      signal.throwIfAborted();
      const sequence = await this.#tryTake(prompt);
      if (sequence) return sequence;
      await this.#wait(signal);
    }
  }

  /** Gives a borrowed sequence back, with its cache. */
  giveBack(sequence: CachedSequence): void {
    if (!this.#taken.delete(sequence)) return;
    this.#idle.add(sequence);
    this.#wakeOne();
  }

  /** Frees a sequence that a session had. */
  async free(sequence: CachedSequence): Promise<void> {
    if (!this.#taken.delete(sequence)) return;
    try {
      await sequence.close();
    } finally {
      this.#wakeOne();
    }
  }

  /**
   * Where sequences share one pool of tokens, drops idle caches, the one used longest ago first, until
   * that many more tokens fit.
   *
   * @throws MobillmError `CONTEXT_FULL` when sequences in use hold too many.
   */
  async makeRoom(newTokens: number, contextTokens: number): Promise<void> {
    const held = () => sum([...this.#idle, ...this.#taken].map((item) => item.tokenCount));
    const oldestFirst = [...this.#idle].sort((a, b) => a.lastUse - b.lastUse);
    for (const sequence of oldestFirst) {
      if (held() + newTokens <= this.#model.kvPoolTokens) return;
      await sequence.truncate(0);
    }
    if (held() + newTokens <= this.#model.kvPoolTokens) return;
    const poolTokens = this.#model.kvPoolTokens;
    throw new MobillmError(
      'CONTEXT_FULL',
      `The prompt needs ${newTokens} tokens of cache, and other sequences hold ${held()} of the ${poolTokens} that this model has. Close a session, or open the model with a larger "contextTokens".`,
      { retryable: true, details: { newTokens, heldTokens: held(), poolTokens, contextTokens } },
    );
  }

  /** Frees every sequence. */
  async close(): Promise<void> {
    const all = [...this.#idle, ...this.#taken];
    this.#idle.clear();
    this.#taken.clear();
    for (const wake of this.#waiting.splice(0)) wake();
    await Promise.all(all.map((sequence) => sequence.close()));
  }

  async #tryTake(prompt: readonly Token[]): Promise<CachedSequence | undefined> {
    const best = this.#bestIdle(prompt);
    const mayCreate = this.#idle.size + this.#taken.size + this.#creating < this.#limit;
    // A cache that the prompt goes on from is used up anyway; another one is worth keeping as it is.
    const extendsBest = best !== undefined && best.sharedTokens(prompt) === best.tokenCount;
    let chosen = best;
    if (mayCreate && !extendsBest) chosen = await this.#create();
    if (!chosen) return undefined;
    this.#idle.delete(chosen);
    this.#taken.add(chosen);
    chosen.lastUse = ++this.#uses;
    return chosen;
  }

  async #create(): Promise<CachedSequence> {
    this.#creating++;
    try {
      return new CachedSequence(await this.#model.createSequence());
    } finally {
      this.#creating--;
    }
  }

  /** The idle sequence that shares most with the prompt; of equals, the one used longest ago. */
  #bestIdle(prompt: readonly Token[]): CachedSequence | undefined {
    let best: CachedSequence | undefined;
    for (const sequence of this.#idle) {
      const gain = best ? sequence.sharedTokens(prompt) - best.sharedTokens(prompt) : 1;
      if (gain > 0 || (gain === 0 && best && sequence.lastUse < best.lastUse)) best = sequence;
    }
    return best;
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= maxWaiting) {
      throw new MobillmError(
        'BUSY',
        `${maxWaiting} generations wait for a sequence of this model already. Try again when some have finished.`,
        { retryable: true, details: { waiting: maxWaiting } },
      );
    }
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        const index = this.#waiting.indexOf(wake);
        if (index >= 0) this.#waiting.splice(index, 1);
        resolve();
      };
      this.#waiting.push(wake);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #wakeOne(): void {
    this.#waiting.shift()?.();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
