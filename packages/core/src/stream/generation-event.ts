import type { ToolCall, ToolCallProblem } from '../chat/tools/tool-call.js';
import type { Placement } from '../engine/device.js';
import type { TokenLogprobs } from '../engine/driver.js';
import type { Token } from '../tokenizer/tokenizer.js';

/** The prompt is being read. At least one comes before the first text. */
export interface PrefillEvent {
  readonly type: 'prefill';
  /** Prompt tokens taken from the cache. */
  readonly cachedTokens: number;
  /** Prompt tokens done so far, cached ones included. */
  readonly doneTokens: number;
  /** Prompt tokens in all. */
  readonly totalTokens: number;
}

/** More of the answer. Whole characters only; never part of a stop string. */
export interface TextEvent {
  readonly type: 'text';
  /** What follows all text before; never empty. */
  readonly text: string;
}

/** More of what the model thinks before it answers (between `<think>` and `</think>`). */
export interface ReasoningEvent {
  readonly type: 'reasoning';
  /** What follows all reasoning before; never empty. */
  readonly text: string;
}

/** The model begins to call a tool that it was given. */
export interface ToolCallStartEvent {
  readonly type: 'tool-call-start';
  /** Id of the call, as in {@link ToolCall.id}. */
  readonly id: string;
  /** Name of the tool. */
  readonly name: string;
}

/** More of the arguments of a call that has begun. Calls of one answer come one after another. */
export interface ToolCallDeltaEvent {
  readonly type: 'tool-call-delta';
  /** Id of the call. */
  readonly id: string;
  /** What follows all before of its arguments as JSON; never empty. */
  readonly text: string;
}

/** A call is complete: its tool exists, and its arguments have what the tool requires. */
export interface ToolCallEvent {
  readonly type: 'tool-call';
  /** The call. */
  readonly call: ToolCall;
}

/** What began as a call cannot be made. What the model wrote follows as text. */
export interface ToolCallProblemEvent {
  readonly type: 'tool-call-problem';
  /** Id of the call, if a `tool-call-start` came for it. */
  readonly id: string | undefined;
  /** What is wrong. */
  readonly problem: ToolCallProblem;
}

/** Log-probabilities of the tokens just sampled, when asked for. */
export interface LogprobsEvent {
  readonly type: 'logprobs';
  /** One row a token, in order. */
  readonly logprobs: readonly TokenLogprobs[];
}

/** The generation is over; always the last event. */
export interface FinishEvent {
  readonly type: 'finish';
  /** What it came to; the same that awaiting the run gives. */
  readonly result: GenerationResult;
}

/** What a generation reports while it runs. */
export type GenerationEvent =
  | PrefillEvent
  | TextEvent
  | ReasoningEvent
  | ToolCallStartEvent
  | ToolCallDeltaEvent
  | ToolCallEvent
  | ToolCallProblemEvent
  | LogprobsEvent
  | FinishEvent;

/** Why a generation ended. */
export type StopReason =
  | 'end-token'
  | 'stop-string'
  | 'max-tokens'
  | 'context-full'
  /** The answer matches its grammar, and nothing can follow. */
  | 'grammar-end'
  | 'aborted';

/** Token counts of one generation. */
export interface Usage {
  /** Prompt tokens in all. */
  readonly promptTokens: number;
  /** Of those, tokens that were in the cache already. */
  readonly cachedTokens: number;
  /** Sampled tokens, the end token included. */
  readonly completionTokens: number;
  /** Oldest messages of the conversation that no longer fit and were left out; see `contextPolicy`. */
  readonly droppedMessages: number;
  /** Of the sampled tokens, those whose first choice the grammar refused; with a `grammar` only. */
  readonly rejectedTokens?: number;
  /**
   * Tokens that were guessed ahead and taken along in steps, right or wrong; only where the engine can
   * guess and `speculation` is not `off`.
   */
  readonly draftedTokens?: number;
  /** Of those, the right ones: sampled tokens that took no step of their own. */
  readonly acceptedTokens?: number;
}

/** Where the time of one generation went, in milliseconds. */
export interface Timings {
  /** From the call to the first sampled token, waiting included. */
  readonly timeToFirstTokenMs: number | undefined;
  /** Reading the new part of the prompt. */
  readonly prefillMs: number;
  /** Decoding and sampling. */
  readonly decodeMs: number;
  /** From the call to the end. */
  readonly totalMs: number;
  /** New prompt tokens a second of `prefillMs`; `undefined` where too little ran to tell. */
  readonly prefillTokensPerSecond: number | undefined;
  /** Sampled tokens a second of `decodeMs`; `undefined` where too little ran to tell. */
  readonly decodeTokensPerSecond: number | undefined;
}

/** What a generation came to; also readable while it runs and after an abort, as `partial`. */
export interface GenerationResult {
  /** The answer, without reasoning, calls and the stop string. */
  readonly text: string;
  /**
   * The answer parsed, with the option `schema`. `undefined` without it, while the generation runs, and
   * where the answer was cut off, which `stopReason` says: it is whole with `grammar-end` and `end-token`.
   */
  readonly json: unknown;
  /** What the model thought before answering; empty for most models. */
  readonly reasoning: string;
  /** Tools that the model asks for, in order; empty unless tools were given. */
  readonly toolCalls: readonly ToolCall[];
  /** What began as a call and cannot be made; its text is part of `text`. */
  readonly toolCallProblems: readonly ToolCallProblem[];
  /** Every sampled token, end token included. */
  readonly tokens: readonly Token[];
  /** Log-probabilities, one row a token, when asked for. */
  readonly logprobs: readonly TokenLogprobs[] | undefined;
  /** Why it ended; `undefined` while it runs. */
  readonly stopReason: StopReason | undefined;
  /** The stop string that was found, when `stopReason` is `stop-string`. */
  readonly stopString: string | undefined;
  /** Token counts. */
  readonly usage: Usage;
  /** Where the time went. */
  readonly timings: Timings;
  /** Seed that repeats this result on the same placement. */
  readonly seed: number;
  /** What ran where. */
  readonly placement: Placement;
}
