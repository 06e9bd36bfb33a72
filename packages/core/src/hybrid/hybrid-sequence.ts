import type {
  ExportKvOptions,
  GenerateSpec,
  SequenceDriver,
  TokenBatch,
} from '../engine/driver.js';
import { prefillSpec } from '../engine/prefill-spec.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvSnapshot } from '../kv/kv-snapshot.js';
import { allOf } from '../runtime/all-of.js';
import { unsupported } from '../runtime/generation-request.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { HybridModelParts } from './hybrid-model.js';

/** The two sequences that stand for one. */
export interface SequencePair {
  readonly prefill: SequenceDriver;
  readonly decode: SequenceDriver;
}

/** What a prompt has cost so far. */
interface Spent {
  prefilledTokens: number;
  prefillMs: number;
}

/**
 * A sequence whose prompt is computed on one engine and whose answer on another. The decoding side's
 * cache is the sequence. Between calls the prefilling side's cache is a beginning of it, of whatever
 * length: what it lacks is brought up when it has to go on.
 */
export class HybridSequence implements SequenceDriver {
  readonly #parts: HybridModelParts & { readonly contextTokens: number };
  readonly #prefill: SequenceDriver;
  readonly #decode: SequenceDriver;
  /** The tokens of the decoding side's cache. */
  #tokens: Token[] = [];
  #closing: Promise<void> | undefined;

  constructor(parts: HybridModelParts & { readonly contextTokens: number }, pair: SequencePair) {
    this.#parts = parts;
    this.#prefill = pair.prefill;
    this.#decode = pair.decode;
  }

  get tokenCount(): number {
    return this.#decode.tokenCount;
  }

  async *generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncGenerator<TokenBatch, void, void> {
    let failed = false;
    try {
      await this.#settle();
      const spent: Spent = { prefilledTokens: 0, prefillMs: 0 };
      if (this.tokenCount + tokens.length > this.#parts.contextTokens) {
        yield fullBatch(spent);
      } else if (tokens.length < this.#parts.minPrefillTokens) {
        yield* this.#answer(tokens, spec, spent, signal);
      } else if (yield* this.#prefillAndHandOver(tokens, spec, spent, signal)) {
        yield* this.#answer([], spec, spent, signal);
      } else {
        yield fullBatch(spent);
      }
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      // Whatever ended this, the next call finds two caches that belong together.
      await this.#settle().catch((error: unknown) => {
        if (!failed && !MobillmError.is(error, 'CLOSED')) throw error;
      });
    }
  }

  async truncate(tokenCount: number): Promise<number> {
    const left = await this.#decode.truncate(tokenCount);
    this.#tokens.length = Math.min(this.#tokens.length, left);
    await this.#settle();
    return left;
  }

  exportKv(options?: ExportKvOptions): Promise<KvSnapshot> {
    const { name } = this.#parts.decode;
    if (!this.#decode.exportKv) throw unsupported(name, 'hand a cache over', 'exportKv');
    return this.#decode.exportKv(options);
  }

  async importKv(snapshot: KvSnapshot, signal?: AbortSignal): Promise<void> {
    await this.#settle();
    const { contextTokens } = this.#parts;
    await this.#take(snapshot, signal);
    if (this.tokenCount <= contextTokens) return;
    // The decoding side alone has the longer context.
    const promptTokens = this.tokenCount;
    await this.truncate(snapshot.startPosition);
    throw new MobillmError(
      'CONTEXT_FULL',
      `With the KV snapshot the cache would hold ${promptTokens} tokens, and both engines together hold ${contextTokens}.`,
      { details: { promptTokens, contextTokens } },
    );
  }

  close(): Promise<void> {
    this.#closing ??= allOf([this.#prefill.close(), this.#decode.close()]);
    return this.#closing;
  }

  /** Lets the decoding side work, within the context that both sides have. */
  async *#answer(
    tokens: readonly Token[],
    spec: GenerateSpec,
    spent: Spent,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TokenBatch, void, void> {
    const { contextTokens, decode, counts } = this.#parts;
    // One token more than there is room for: the last one sampled is not cached.
    const samples = contextTokens - this.tokenCount - tokens.length + 1;
    const maxTokens = Math.min(spec.maxTokens, samples);
    if (maxTokens === 0 && tokens.length === 0 && spent.prefilledTokens > 0) {
      yield { tokens: [], ...spent, decodeMs: 0, finish: 'max-tokens' };
      return;
    }
    const keepLogits = spec.keepLogits && decode.capabilities.exportKv;
    const fed = [...this.#tokens, ...tokens];
    let direct = 0;
    // A prompt that was too short for a hand-over: the prefilling side had no part in it.
    const own = tokens.length > 0 ? decode.model.placement() : undefined;
    const placement = own && { ...own, phases: { prefill: own, decode: own } };
    try {
      const run = this.#decode.generate(tokens, { ...spec, maxTokens, keepLogits }, signal);
      for await (const batch of run) {
        for (const token of batch.tokens) fed.push(token);
        direct = batch.prefilledTokens;
        const { finish } = batch;
        const full = finish === 'max-tokens' && maxTokens < spec.maxTokens;
        yield {
          ...batch,
          ...(placement && { placement }),
          prefilledTokens: spent.prefilledTokens + direct,
          prefillMs: spent.prefillMs + batch.prefillMs,
          ...(finish && { finish: full ? 'context-full' : finish }),
        };
      }
    } finally {
      counts.directTokens += direct;
      this.#tokens = fed;
    }
  }

  /**
   * Computes new tokens on the prefilling side and gives their cache, with the logits after them, to
   * the decoding side.
   *
   * @returns whether there was room on both sides.
   */
  async *#prefillAndHandOver(
    tokens: readonly Token[],
    spec: GenerateSpec,
    spent: Spent,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TokenBatch, boolean, void> {
    const { prefill, counts } = this.#parts;
    const base = this.tokenCount;
    if (!(await this.#bringUp(base, spent, signal))) return false;
    const again = this.#tokens.slice(this.#prefill.tokenCount, base);
    const before = { ...spent };
    const run = this.#prefill.generate(
      [...again, ...tokens],
      prefillSpec(spec.creditTokens, { keepLogits: true }),
      signal,
    );
    let computed = 0;
    let finish: TokenBatch['finish'];
    try {
      for await (const batch of run) {
        computed = batch.prefilledTokens;
        finish = batch.finish;
        spent.prefilledTokens = Math.max(0, computed - again.length);
        spent.prefillMs = before.prefillMs + batch.prefillMs;
        if (!finish) yield { tokens: [], ...spent, decodeMs: 0 };
      }
    } finally {
      counts.recomputedTokens += Math.min(computed, again.length);
      counts.prefilledTokens += Math.max(0, computed - again.length);
    }
    if (finish === 'context-full') return false;
    const exportKv = this.#prefill.exportKv?.bind(this.#prefill);
    if (!exportKv) throw unsupported(prefill.name, 'hand a cache over', 'exportKv');
    return this.#handOver(spent, async () => {
      const snapshot = await exportKv({ fromToken: base, ...(signal && { signal }) });
      if (!snapshot.nextLogits) throw noLogits(prefill.name);
      await this.#take(snapshot, signal);
      counts.handedOverTokens += snapshot.tokens.length;
    });
  }

  /** Gives the prefilling side what it lacks of the cache, where the engines can; `false` if full. */
  async #bringUp(base: number, spent: Spent, signal: AbortSignal | undefined): Promise<boolean> {
    const { prefill, decode, counts } = this.#parts;
    const fromToken = this.#prefill.tokenCount;
    const able = decode.capabilities.exportKv && prefill.capabilities.importKv;
    const exportKv = this.#decode.exportKv?.bind(this.#decode);
    const importKv = this.#prefill.importKv?.bind(this.#prefill);
    if (fromToken >= base || !able || !exportKv || !importKv) return true;
    return this.#handOver(spent, async () => {
      const snapshot = await exportKv({ fromToken, ...(signal && { signal }) });
      await importKv(snapshot, signal);
      counts.returnedTokens += snapshot.tokens.length;
    });
  }

  /** Runs one hand-over on the prompt's clock; `false` where it did not fit. */
  async #handOver(spent: Spent, send: () => Promise<void>): Promise<boolean> {
    const startedAt = performance.now();
    try {
      await send();
      return true;
    } catch (error) {
      if (MobillmError.is(error, 'CONTEXT_FULL')) return false;
      throw error;
    } finally {
      const elapsedMs = performance.now() - startedAt;
      spent.prefillMs += elapsedMs;
      this.#parts.counts.handOverMs += elapsedMs;
    }
  }

  async copyFrom(source: SequenceDriver, tokenCount: number): Promise<boolean> {
    if (!(source instanceof HybridSequence)) {
      throw wrongValue('source', 'must be a sequence of the same model');
    }
    const copy = (to: SequenceDriver, from: SequenceDriver, name: string, count: number) => {
      if (!to.copyFrom) throw unsupported(name, 'copy a sequence', 'copySequence');
      return to.copyFrom(from, count);
    };
    const { prefill, decode } = this.#parts;
    // What the source sampled last may be cached there already, and not known here.
    const tokens = source.#tokens.slice(0, tokenCount);
    if (tokens.length < tokenCount) return false;
    // Both at once: between them the source could be cut, and filled with other tokens.
    const count = Math.min(tokenCount, source.#prefill.tokenCount);
    const [decoded, prefilled] = await Promise.allSettled([
      copy(this.#decode, source.#decode, decode.name, tokenCount),
      copy(this.#prefill, source.#prefill, prefill.name, count),
    ]);
    const copied = decoded.status === 'fulfilled' && decoded.value;
    // What this side lacks is brought up when it has to go on.
    if (!copied || prefilled.status === 'rejected' || !prefilled.value) {
      await this.#prefill.truncate(0);
    }
    if (decoded.status === 'rejected') throw decoded.reason;
    if (copied) this.#tokens = tokens;
    return copied;
  }

  /** Appends a snapshot to the decoding side, and to the record of its tokens. */
  async #take(snapshot: KvSnapshot, signal: AbortSignal | undefined): Promise<void> {
    const { name } = this.#parts.decode;
    if (!this.#decode.importKv) throw unsupported(name, 'take a cache over', 'importKv');
    await this.#decode.importKv(snapshot, signal);
    this.#tokens.push(...snapshot.tokens);
  }

  /**
   * Makes record and caches agree: drops tokens that the decoding side sampled and nobody has seen,
   * and what the prefilling side has beyond it.
   */
  async #settle(): Promise<void> {
    if (this.#decode.tokenCount > this.#tokens.length) {
      await this.#decode.truncate(this.#tokens.length);
    }
    this.#tokens.length = Math.min(this.#tokens.length, this.#decode.tokenCount);
    if (this.#prefill.tokenCount > this.#decode.tokenCount) {
      await this.#prefill.truncate(this.#decode.tokenCount);
    }
  }
}

function fullBatch(spent: Spent): TokenBatch {
  return { tokens: [], ...spent, decodeMs: 0, finish: 'context-full' };
}

function noLogits(engine: string): MobillmError {
  return new MobillmError(
    'NATIVE_FAILURE',
    `The engine "${engine}" was asked to keep the logits after a prompt and has none. This is a fault of the engine; its author can find it with describeEngine.`,
    { details: { engine } },
  );
}
