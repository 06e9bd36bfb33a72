import type { GenerateSpec, SequenceDriver, TokenBatch } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { FakeModel } from './fake-model.js';

/** Prompt tokens that one step of the fake engine prefills. */
const prefillChunkTokens = 16;

/** A sequence of the fake engine: its cache is the list of its tokens. */
export class FakeSequence implements SequenceDriver {
  readonly #model: FakeModel;
  #tokens: Token[];
  #reportedCount: number | undefined;
  #closed = false;
  #stopRunning: (() => Promise<void>) | undefined;

  constructor(model: FakeModel, tokens: Token[] = []) {
    this.#model = model;
    this.#tokens = tokens;
  }

  get tokenCount(): number {
    return this.#reportedCount ?? this.#tokens.length;
  }

  async *generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncGenerator<TokenBatch, void, void> {
    this.#requireOpen();
    const outbox = new Outbox();
    const run = this.#run(tokens, spec, outbox);
    const { fault } = this.#model;
    const onAbort = () => {
      if (fault === 'ignores-abort') return;
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
          if (fault === 'stale-count-after-abort') this.#reportedCount = this.#tokens.length + 1;
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
    if (fault === 'truncate-does-nothing') return tokenCount;
    if (fault === 'truncate-keeps-meaning') {
      this.#tokens = this.#tokens.slice(this.#tokens.length - tokenCount);
      return tokenCount;
    }
    const exact = this.#model.truncate === 'exact' || tokenCount >= this.#tokens.length;
    this.#tokens.length = Math.min(this.#tokens.length, exact ? tokenCount : 0);
    return this.#tokens.length;
  }

  async fork(): Promise<SequenceDriver> {
    this.#requireOpen();
    const shared = this.#model.fault === 'fork-shares-cache';
    return this.#model.adopt(
      new FakeSequence(this.#model, shared ? this.#tokens : [...this.#tokens]),
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#model.fault !== 'close-does-not-stop') await this.#stopRunning?.();
    this.#model.forget(this);
  }

  async #run(tokens: readonly Token[], spec: GenerateSpec, outbox: Outbox): Promise<void> {
    const own = this.#tokens;
    try {
      await this.#work(this.#model.begin(own), tokens, spec, outbox);
    } finally {
      this.#model.end(own);
    }
  }

  /** Works ahead of the reader, by as much as its credit allows. */
  async #work(
    cache: Token[],
    tokens: readonly Token[],
    spec: GenerateSpec,
    outbox: Outbox,
  ): Promise<void> {
    const model = this.#model;
    let prefilledTokens = 0;
    const clock = { prefillMs: 0, decodeMs: 0 };
    const put = (batch: Partial<TokenBatch>) => {
      outbox.put({ tokens: [], prefilledTokens, ...clock, ...batch });
    };
    while (prefilledTokens < tokens.length) {
      await model.tick();
      if (outbox.stopped) return;
      const room = Math.min(model.contextTokens - cache.length, model.freePoolTokens);
      const chunk = tokens.slice(prefilledTokens, prefilledTokens + prefillChunkTokens);
      if (chunk.length > room && model.fault !== 'overfills-context') {
        put({ finish: 'context-full' });
        return;
      }
      cache.push(...chunk);
      prefilledTokens += chunk.length;
      clock.prefillMs++;
      put({});
    }
    let sampled = 0;
    const limit = spec.maxTokens + (model.fault === 'exceeds-max-tokens' ? 1 : 0);
    if (limit === 0) put({ finish: 'max-tokens' });
    while (sampled < limit) {
      if (model.fault !== 'runs-without-credit') await outbox.credit(spec.creditTokens);
      await model.tick();
      if (outbox.stopped) return;
      const token = model.next(cache, spec);
      sampled++;
      clock.decodeMs++;
      const ended = spec.endTokens.has(token) && model.fault !== 'goes-past-end-token';
      const room = Math.min(model.contextTokens - cache.length, model.freePoolTokens);
      const full = room <= 0 && model.fault !== 'overfills-context';
      const finish: TokenBatch['finish'] = ended
        ? 'end-token'
        : sampled === limit
          ? 'max-tokens'
          : full
            ? 'context-full'
            : undefined;
      const logprobs =
        spec.logprobs === undefined
          ? {}
          : { logprobs: [model.logprobs(cache, token, spec.logprobs)] };
      const says = finish && model.fault !== 'never-says-finish' ? { finish } : {};
      if (!finish || model.fault === 'caches-last-token') cache.push(token);
      put({ tokens: [token], ...logprobs, ...says });
      if (finish) {
        outbox.end();
        return;
      }
    }
  }

  #requireOpen(): void {
    if (this.#closed && this.#model.fault !== 'works-after-close') throw closedError();
  }
}

/** Batches on their way to a reader, merged while it does not read. */
class Outbox {
  #batch: TokenBatch | undefined;
  #ended = false;
  #wake: (() => void) | undefined;
  #onTaken: (() => void) | undefined;
  stopped = false;

  put(batch: TokenBatch): void {
    const held = this.#batch;
    const logprobs = [...(held?.logprobs ?? []), ...(batch.logprobs ?? [])];
    this.#batch = {
      ...batch,
      tokens: [...(held?.tokens ?? []), ...batch.tokens],
      ...(logprobs.length > 0 ? { logprobs } : {}),
    };
    this.wake();
  }

  end(): void {
    this.#ended = true;
    this.wake();
  }

  wake(): void {
    this.#wake?.();
    if (this.stopped) this.#onTaken?.();
  }

  /** The next batch; `undefined` when there will be none. */
  async take(): Promise<TokenBatch | undefined> {
    while (!this.#batch && !this.#ended && !this.stopped) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const batch = this.#batch;
    this.#batch = undefined;
    this.#onTaken?.();
    return batch;
  }

  /** Settles when fewer tokens than that wait for the reader. */
  async credit(tokens: number): Promise<void> {
    while (!this.stopped && (this.#batch?.tokens.length ?? 0) >= tokens) {
      await new Promise<void>((resolve) => (this.#onTaken = resolve));
    }
  }
}

function closedError(): MobillmError {
  return new MobillmError('CLOSED', 'This sequence is closed. Open a new one to go on.');
}
