import type { Placement } from '../engine/device.js';
import type { TokenBatch, TokenLogprobs } from '../engine/driver.js';
import type { GenerationResult, StopReason } from '../stream/generation-event.js';
import type { Token } from '../tokenizer/tokenizer.js';

/** Collects what a generation has come to; a snapshot of it can be taken at any time. */
export class GenerationRecord {
  readonly #startedMs = performance.now();
  readonly #placement: () => Placement;
  readonly #seed: number;
  readonly #logprobs: TokenLogprobs[] | undefined;
  #endedMs: number | undefined;
  #firstTokenMs: number | undefined;
  #prefillMs = 0;
  #decodeMs = 0;
  #prefilledTokens = 0;
  /** Sampled tokens. */
  readonly tokens: Token[] = [];
  text = '';
  reasoning = '';
  promptTokens = 0;
  cachedTokens = 0;
  stopReason: StopReason | undefined;
  stopString: string | undefined;

  constructor(options: {
    readonly seed: number;
    readonly placement: () => Placement;
    readonly logprobs: boolean;
  }) {
    this.#seed = options.seed;
    this.#placement = options.placement;
    this.#logprobs = options.logprobs ? [] : undefined;
  }

  /** Takes the tokens and clocks of a batch. */
  add(batch: TokenBatch): void {
    if (batch.tokens.length > 0) this.#firstTokenMs ??= performance.now();
    for (const token of batch.tokens) this.tokens.push(token);
    if (batch.logprobs) this.#logprobs?.push(...batch.logprobs);
    this.#prefilledTokens = batch.prefilledTokens;
    this.#prefillMs = batch.prefillMs;
    this.#decodeMs = batch.decodeMs;
  }

  /** Stops the clock; the first reason given stays. */
  end(reason: StopReason): void {
    this.stopReason ??= reason;
    this.#endedMs ??= performance.now();
  }

  /** The result as it stands. */
  snapshot(): GenerationResult {
    const sampled = this.tokens.length;
    return {
      text: this.text,
      reasoning: this.reasoning,
      tokens: [...this.tokens],
      logprobs: this.#logprobs && [...this.#logprobs],
      stopReason: this.stopReason,
      stopString: this.stopString,
      usage: {
        promptTokens: this.promptTokens,
        cachedTokens: this.cachedTokens,
        completionTokens: sampled,
      },
      timings: {
        timeToFirstTokenMs:
          this.#firstTokenMs === undefined ? undefined : this.#firstTokenMs - this.#startedMs,
        prefillMs: this.#prefillMs,
        decodeMs: this.#decodeMs,
        totalMs: (this.#endedMs ?? performance.now()) - this.#startedMs,
        prefillTokensPerSecond: rate(this.#prefilledTokens, this.#prefillMs),
        decodeTokensPerSecond: rate(sampled, this.#decodeMs),
      },
      seed: this.#seed,
      placement: this.#placement(),
    };
  }
}

function rate(tokens: number, milliseconds: number): number | undefined {
  return tokens > 0 && milliseconds > 0 ? (tokens * 1000) / milliseconds : undefined;
}
