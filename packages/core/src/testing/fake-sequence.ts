import type {
  DriverAdapterUse,
  ExportKvOptions,
  GenerateSpec,
  SequenceDriver,
  TokenBatch,
} from '../engine/driver.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvSnapshot } from '../kv/kv-snapshot.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { FakeAdapters } from './fake-adapter.js';
import { FakeCache } from './fake-cache.js';
import { FakeGrammar } from './fake-grammar.js';
import { FakeGuesses } from './fake-guesses.js';
import { exportFakeKv, importFakeKv } from './fake-kv.js';
import type { FakeModel } from './fake-model.js';
import { FakeOutbox } from './fake-outbox.js';

/** A sequence of the fake engine. */
export class FakeSequence implements SequenceDriver {
  readonly #model: FakeModel;
  #cache: FakeCache;
  #adapters: FakeAdapters;
  /** Logits that follow the last cached token, where somebody asked to keep them. */
  #nextLogits: Float32Array | undefined;
  #reportedCount: number | undefined;
  #closed = false;
  #stopRunning: (() => Promise<void>) | undefined;

  constructor(model: FakeModel) {
    this.#model = model;
    this.#cache = new FakeCache(model.kv);
    this.#adapters = new FakeAdapters(model);
  }

  get tokenCount(): number {
    return this.#reportedCount ?? this.#cache.length;
  }

  /** What its tokens take of the pool: each an object of its own, but where a copy shares it. */
  get places(): readonly object[] {
    return this.#cache.places;
  }

  async *generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncGenerator<TokenBatch, void, void> {
    this.#requireOpen();
    if (tokens.length === 0 && !this.#nextLogits) {
      throw wrongValue('tokens', 'is empty, and the logits after the cache are not known');
    }
    const outbox = new FakeOutbox();
    const run = this.#run(tokens, spec, outbox);
    const { fault } = this.#model;
    const onAbort = () => {
      if (fault === 'ignores-abort') return;
      if (fault === 'abort-disturbs-others') {
        for (const cache of this.#model.workingBeside(this.#cache)) cache.wipe(cache.length - 1);
      }
      outbox.stopped = true;
      outbox.wake();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    this.#stopRunning = async () => {
      outbox.stopped = true;
      outbox.wake();
      await run;
    };
    try {
      for (;;) {
        const batch = await outbox.take();
        if (signal?.aborted && fault !== 'ignores-abort') {
          await run;
          if (fault === 'stale-count-after-abort') this.#reportedCount = this.#cache.length + 1;
          if (fault === 'abort-leaves-state') this.#cache.positionError = 1;
          throw fault === 'aborts-with-own-error' ? new Error('stopped') : signal.reason;
        }
        if (this.#closed && fault !== 'close-does-not-stop') throw closedError();
        if (batch === undefined) return;
        yield batch;
        if (batch.finish) return;
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (fault !== 'keeps-running-after-break') await this.#stopRunning();
      this.#stopRunning = undefined;
    }
  }

  async truncate(tokenCount: number): Promise<number> {
    this.#requireOpen();
    await this.#model.tick();
    const { fault } = this.#model;
    const before = this.#cache.length;
    if (fault === 'truncate-does-nothing' || tokenCount >= before) {
      return Math.min(before, tokenCount);
    }
    if (fault !== 'stale-logits-after-truncate') this.#nextLogits = undefined;
    if (fault === 'truncate-keeps-meaning') {
      this.#cache.keepEnd(tokenCount);
      return tokenCount;
    }
    const exact = this.#model.capabilities.truncate === 'exact';
    this.#cache.cut(exact ? tokenCount : 0);
    // The place where the next token goes stays behind.
    if (fault === 'truncate-keeps-position') this.#cache.positionError = before - tokenCount;
    return this.#cache.length;
  }

  async copyFrom(source: SequenceDriver, tokenCount: number): Promise<boolean> {
    this.#requireOpen();
    if (!(source instanceof FakeSequence) || source.#model !== this.#model) {
      throw wrongValue('source', 'must be a sequence of the same model');
    }
    await this.#model.tick();
    const { fault, capabilities } = this.#model;
    const count = source.#cache.length;
    if (count < tokenCount || fault === 'copy-refuses') return false;
    const works = this.#model.workingBeside(this.#cache).includes(source.#cache);
    if (works && fault === 'copy-waits-for-end') return false;
    const alike = source.#adapters.seed === this.#adapters.seed;
    if (!alike && fault !== 'copy-ignores-adapters') return false;
    const whole = count === tokenCount;
    if (!whole && capabilities.truncate === 'all-or-nothing') return false;
    const had = this.#cache;
    this.#cache = fault === 'copy-shares-cache' ? source.#cache : source.#cache.copy();
    if (fault !== 'copy-takes-everything' && fault !== 'copy-shares-cache') {
      this.#cache.cut(tokenCount);
    }
    if (fault === 'copy-keeps-own-cache' && had.length > this.#cache.length) this.#cache = had;
    this.#nextLogits = whole && fault !== 'copy-forgets-logits' ? source.#nextLogits : undefined;
    return true;
  }

  async removeTokens(from: number, to: number): Promise<boolean> {
    this.#requireOpen();
    await this.#model.tick();
    const { fault, capabilities } = this.#model;
    if (capabilities.truncate === 'all-or-nothing') return false;
    this.#cache.remove(from, fault === 'remove-takes-too-much' ? this.#cache.length : to, {
      rotates: fault !== 'remove-keeps-places',
    });
    this.#nextLogits = undefined;
    return true;
  }

  async setAdapters(uses: readonly DriverAdapterUse[]): Promise<void> {
    this.#requireOpen();
    const { fault } = this.#model;
    const adapters = new FakeAdapters(this.#model, uses);
    adapters.requireOpen();
    await this.#model.tick();
    if (uses.length === 0 && fault === 'adapters-stay') return;
    if (adapters.seed !== this.#adapters.seed && fault !== 'adapters-keep-cache') {
      this.#cache.cut(0);
      this.#nextLogits = undefined;
    }
    this.#adapters = adapters;
    this.#cache.adapterSeed = adapters.seed;
  }

  async exportKv(options: ExportKvOptions = {}): Promise<KvSnapshot> {
    this.#requireOpen();
    await this.#model.tick();
    return exportFakeKv(this.#model, this.#cache, this.#nextLogits, {
      ...options,
      adapters: this.#adapters,
    });
  }

  async importKv(snapshot: KvSnapshot, signal?: AbortSignal): Promise<void> {
    this.#requireOpen();
    await this.#model.tick();
    await importFakeKv(this.#model, this.#cache, snapshot, { signal, adapters: this.#adapters });
    if (snapshot.nextLogits && this.#model.fault !== 'ignores-imported-logits') {
      this.#nextLogits = Float32Array.from(snapshot.nextLogits);
    } else if (snapshot.tokens.length > 0) this.#nextLogits = undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#model.fault !== 'close-does-not-stop') await this.#stopRunning?.();
    this.#model.forget(this);
  }

  async #run(tokens: readonly Token[], spec: GenerateSpec, outbox: FakeOutbox): Promise<void> {
    const own = this.#cache;
    try {
      await this.#work(this.#model.begin(own), tokens, spec, outbox);
    } catch (error) {
      outbox.fail(error);
    } finally {
      this.#model.end(own);
    }
  }

  /** Works ahead of the reader, by as much as its credit allows. */
  async #work(
    cache: FakeCache,
    tokens: readonly Token[],
    spec: GenerateSpec,
    outbox: FakeOutbox,
  ): Promise<void> {
    const { fault } = this.#model;
    const { tokens: cached } = cache;
    const grammar =
      spec.grammar && new FakeGrammar(spec.grammar, spec, [...cached, ...tokens], fault);
    const guesses = FakeGuesses.for(this.#model, spec);
    const clocks = { prefilledTokens: 0, prefillMs: 0, decodeMs: 0 };
    const work: Work = { cache, outbox, ...clocks, grammar, guesses };
    const row = await this.#prefill(work, tokens);
    if (!row) return;
    if (spec.keepLogits && fault === 'keeps-logits-of-prompt') this.#nextLogits = row;
    const last = await this.#decode(work, row, spec);
    if (!last || !spec.keepLogits) return;
    if (fault !== 'keeps-no-logits' && fault !== 'keeps-logits-of-prompt') this.#nextLogits = last;
  }

  /** Appends a prompt; gives the logits after it, or nothing where it was stopped or ran out of room. */
  async #prefill(work: Work, tokens: readonly Token[]): Promise<Float32Array | undefined> {
    const model = this.#model;
    const { cache, outbox } = work;
    let stepTokens = 1;
    if (tokens.length === 0 && model.fault === 'recomputes-known-logits') work.prefilledTokens = 1;
    while (work.prefilledTokens < tokens.length) {
      await model.tick();
      if (outbox.stopped) return undefined;
      this.#adapters.requireOpen();
      const end = work.prefilledTokens + model.prefillChunkTokens;
      const chunk = tokens.slice(work.prefilledTokens, end);
      if (chunk.length > this.#room(cache) && model.fault !== 'overfills-context') {
        put(work, { finish: 'context-full' });
        outbox.end();
        return undefined;
      }
      this.#push(cache, ...chunk);
      if (end < tokens.length && model.fault === 'loses-tokens-at-chunk-boundary') {
        cache.wipe(cache.length - 1);
      }
      stepTokens = chunk.length;
      work.prefilledTokens += chunk.length;
      work.prefillMs++;
      put(work, {});
    }
    return this.#nextLogits ?? model.logits(cache, stepTokens);
  }

  /** Samples and appends; gives the logits after the last cached token, or nothing where it was stopped. */
  async #decode(
    work: Work,
    first: Float32Array,
    spec: GenerateSpec,
  ): Promise<Float32Array | undefined> {
    const model = this.#model;
    const { cache, outbox, guesses } = work;
    const limit = spec.maxTokens + (model.fault === 'exceeds-max-tokens' ? 1 : 0);
    let row = first;
    if (limit === 0) put(work, { finish: 'max-tokens' });
    else if (work.grammar?.mustEnd) {
      put(work, { finish: 'grammar-end' });
      outbox.end();
      return row;
    }
    for (let sampled = 1; sampled <= limit; sampled++) {
      const [guess] = guesses?.pending ?? [];
      const owes = model.fault === 'guesses-without-credit' && guess !== undefined;
      if (model.fault !== 'runs-without-credit' && !owes) await outbox.credit(spec.creditTokens);
      await model.tick();
      if (outbox.stopped) {
        if (model.fault === 'abort-keeps-guesses') this.#push(cache, ...(guesses?.pending ?? []));
        return undefined;
      }
      this.#adapters.requireOpen();
      const token = this.#sample(work, row, spec, guess);
      guesses?.check(token);
      work.decodeMs++;
      const ended = spec.endTokens.has(token) && model.fault !== 'goes-past-end-token';
      const full = this.#room(cache) <= 0 && model.fault !== 'overfills-context';
      const more = model.fault === 'guesses-past-the-end' && guesses?.pending.length;
      const finish: TokenBatch['finish'] = more
        ? undefined
        : ended
          ? 'end-token'
          : work.grammar?.mustEnd && model.fault !== 'goes-past-grammar-end'
            ? 'grammar-end'
            : sampled === limit
              ? 'max-tokens'
              : full
                ? 'context-full'
                : undefined;
      const logprobs =
        spec.logprobs === undefined
          ? {}
          : { logprobs: [model.logprobs(row, token, spec.logprobs)] };
      const says = finish && model.fault !== 'never-says-finish' ? { finish } : {};
      if (!finish || model.fault === 'caches-last-token') this.#push(cache, token);
      put(work, { tokens: [token], ...logprobs, ...says });
      if (finish) break;
      row = guesses?.rowAfter(cache) ?? model.logits(cache, 1);
    }
    const { tokens: unchecked = [], row: wrongRow = row } = guesses?.unchecked ?? {};
    if (model.fault === 'keeps-last-guesses') this.#push(cache, ...unchecked);
    outbox.end();
    return model.fault === 'keeps-logits-of-guesses' ? wrongRow : row;
  }

  /** The token that follows, whatever was guessed. */
  #sample(work: Work, row: Float32Array, spec: GenerateSpec, guess: Token | undefined): Token {
    const model = this.#model;
    const { cache, grammar } = work;
    if (guess === undefined) return model.next(row, cache, spec, grammar);
    if (model.fault === 'takes-wrong-guesses') return guess;
    if (model.fault === 'guesses-past-grammar') return model.next(row, cache, spec, undefined);
    if (model.fault === 'guesses-change-draws') {
      const sampling = { ...spec.sampling, seed: spec.sampling.seed + 1 };
      return model.next(row, cache, { ...spec, sampling }, grammar);
    }
    return model.next(row, cache, spec, grammar);
  }

  /** Tokens that can be appended now. */
  #room(cache: FakeCache): number {
    return Math.min(this.#model.contextTokens - cache.length, this.#model.freePoolTokens);
  }

  #push(cache: FakeCache, ...tokens: readonly Token[]): void {
    if (this.#model.fault !== 'stale-logits-after-generate') this.#nextLogits = undefined;
    for (const token of tokens) cache.push(token);
  }

  #requireOpen(): void {
    if (this.#closed && this.#model.fault !== 'works-after-close') throw closedError();
  }
}

function closedError(): MobillmError {
  return new MobillmError('CLOSED', 'This sequence is closed. Open a new one to go on.');
}

/** A generation under way. */
interface Work {
  readonly cache: FakeCache;
  readonly outbox: FakeOutbox;
  readonly grammar: FakeGrammar | undefined;
  readonly guesses: FakeGuesses | undefined;
  prefilledTokens: number;
  prefillMs: number;
  decodeMs: number;
}

function put(
  { outbox, prefilledTokens, prefillMs, decodeMs, grammar, guesses }: Work,
  batch: Partial<TokenBatch>,
): void {
  const counts = {
    ...(grammar && { rejectedTokens: grammar.rejectedTokens }),
    ...(guesses && {
      draftedTokens: guesses.draftedTokens,
      acceptedTokens: guesses.acceptedTokens,
    }),
  };
  outbox.put({ tokens: [], prefilledTokens, prefillMs, decodeMs, ...counts, ...batch });
}
