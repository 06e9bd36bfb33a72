import type { ToolCall, ToolCallProblem } from '../chat/tools/tool-call.js';
import type { Placement } from '../engine/device.js';
import type { TokenBatch, TokenLogprobs } from '../engine/driver.js';
import type { AppliedAdapter } from '../kv/kv-snapshot.js';
import type { GenerationResult, StopReason, Usage } from '../stream/generation-event.js';
import type { Token } from '../tokenizer/tokenizer.js';

const optionalCounts = ['rejectedTokens', 'draftedTokens', 'acceptedTokens'] as const;

type OptionalCounts = Pick<Usage, (typeof optionalCounts)[number]>;

/** Collects what a generation has come to; a snapshot of it can be taken at any time. */
export class GenerationRecord {
  readonly #startedMs = performance.now();
  readonly #placement: () => Placement;
  readonly #seed: number;
  readonly #logprobs: TokenLogprobs[] | undefined;
  readonly #isJson: boolean;
  readonly #adapters: readonly AppliedAdapter[];
  /** Where it ran, where its driver says so itself. */
  #ownPlacement: Placement | undefined;
  #endedMs: number | undefined;
  #firstTokenMs: number | undefined;
  #prefillMs = 0;
  #decodeMs = 0;
  #prefilledTokens = 0;
  /** Counts that not every generation has; so far, and in the parts before this one. */
  #counts: OptionalCounts = {};
  #earlierCounts: OptionalCounts = {};
  #earlier = { prefillMs: 0, decodeMs: 0, prefilledTokens: 0 };
  /** Sampled tokens. */
  readonly tokens: Token[] = [];
  text = '';
  reasoning = '';
  readonly toolCalls: ToolCall[] = [];
  readonly toolCallProblems: ToolCallProblem[] = [];
  promptTokens = 0;
  cachedTokens = 0;
  droppedMessages = 0;
  stopReason: StopReason | undefined;
  stopString: string | undefined;

  constructor(options: {
    readonly seed: number;
    readonly placement: () => Placement;
    readonly adapters: readonly AppliedAdapter[];
    readonly logprobs: boolean;
    /** Whether the answer is JSON. */
    readonly json: boolean;
  }) {
    this.#seed = options.seed;
    this.#placement = options.placement;
    this.#adapters = options.adapters;
    this.#logprobs = options.logprobs ? [] : undefined;
    this.#isJson = options.json;
  }

  /** Begins another part of the generation: the driver's clocks start at zero again. */
  beginPart(): void {
    this.#earlier = {
      prefillMs: this.#prefillMs,
      decodeMs: this.#decodeMs,
      prefilledTokens: this.#prefilledTokens,
    };
    this.#earlierCounts = this.#counts;
  }

  /** Takes the clocks and counts of a batch, and where it ran. */
  clock(batch: TokenBatch): void {
    this.#ownPlacement = batch.placement ?? this.#ownPlacement;
    this.#prefilledTokens = this.#earlier.prefilledTokens + batch.prefilledTokens;
    this.#prefillMs = this.#earlier.prefillMs + batch.prefillMs;
    this.#decodeMs = this.#earlier.decodeMs + batch.decodeMs;
    for (const key of optionalCounts) {
      const count = batch[key];
      if (count === undefined) continue;
      this.#counts = { ...this.#counts, [key]: (this.#earlierCounts[key] ?? 0) + count };
    }
  }

  /** Takes a sampled token. */
  add(token: Token, logprobs: TokenLogprobs | undefined): void {
    this.#firstTokenMs ??= performance.now();
    this.tokens.push(token);
    if (logprobs) this.#logprobs?.push(logprobs);
  }

  /** Stops the clock; the first reason given stays. */
  end(reason: StopReason): void {
    this.stopReason ??= reason;
    this.#endedMs ??= performance.now();
  }

  /** The answer's value; each snapshot has its own. */
  #json(): unknown {
    // What was cut off may be JSON by chance: the 12 of 123.
    const isWhole = this.stopReason === 'grammar-end' || this.stopReason === 'end-token';
    return this.#isJson && isWhole ? (JSON.parse(this.text) as unknown) : undefined;
  }

  /** The result as it stands. */
  snapshot(): GenerationResult {
    const sampled = this.tokens.length;
    return {
      text: this.text,
      json: this.#json(),
      reasoning: this.reasoning,
      toolCalls: [...this.toolCalls],
      toolCallProblems: [...this.toolCallProblems],
      tokens: [...this.tokens],
      logprobs: this.#logprobs && [...this.#logprobs],
      stopReason: this.stopReason,
      stopString: this.stopString,
      usage: {
        promptTokens: this.promptTokens,
        cachedTokens: this.cachedTokens,
        completionTokens: sampled,
        droppedMessages: this.droppedMessages,
        ...this.#counts,
      },
      timings: {
        timeToFirstTokenMs:
          this.#firstTokenMs === undefined ? undefined : this.#firstTokenMs - this.#startedMs,
        prefillMs: this.#prefillMs,
        decodeMs: this.#decodeMs,
        totalMs: (this.#endedMs ?? performance.now()) - this.#startedMs,
        prefillTokensPerSecond: rate(this.#prefilledTokens, this.#prefillMs),
        // One token is sampled with the prompt's own logits: its time tells nothing of decoding.
        decodeTokensPerSecond: sampled > 1 ? rate(sampled, this.#decodeMs) : undefined,
      },
      seed: this.#seed,
      placement: {
        ...(this.#ownPlacement ?? this.#placement()),
        ...(this.#adapters.length > 0 && { adapters: this.#adapters }),
      },
    };
  }
}

function rate(tokens: number, milliseconds: number): number | undefined {
  return tokens > 0 && milliseconds > 0 ? (tokens * 1000) / milliseconds : undefined;
}
