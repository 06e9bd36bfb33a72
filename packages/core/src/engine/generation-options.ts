import type { Message } from '../chat/message.js';
import type { ToolChoice, ToolDefinition } from '../chat/tools/tool-definition.js';
import type { JsonSchema } from '../structure/json-schema-to-grammar.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { AdapterUse } from './adapter.js';
import type { Speculation } from './driver.js';
import type { SamplingOptions } from './sampling.js';

/** Options that every generation has. */
export interface GenerationOptions extends SamplingOptions {
  /** Tokens to sample at most; until the context is full by default. */
  readonly maxTokens?: number;
  /** Strings that end the answer; the one found is cut off. Default none. */
  readonly stop?: string | readonly string[];
  /**
   * Whether `<think>…</think>` is split from the answer. `auto` (the default) splits; `keep` leaves
   * it in the text.
   */
  readonly reasoning?: 'auto' | 'keep';
  /**
   * Tools that the model may call, at most 512; they go into the prompt by its chat template. Only for
   * `messages` and sessions. Default none.
   */
  readonly tools?: readonly ToolDefinition[];
  /**
   * Whether it may or must call them. Default `auto`. To make it call (`required`, or the name of a tool)
   * takes an engine with `capabilities.grammar`, and is beside `grammar`, `schema` and `regex` a wrong
   * call. The answer is then calls alone, whose arguments are valid by the tools' schemas;
   * `SCHEMA_UNSUPPORTED` names the tool whose schema cannot be followed. A model that thinks does not
   * do so before. What calls begin with counts as prompt.
   */
  readonly toolChoice?: ToolChoice;
  /**
   * Calls at most, 1 to 64, of an answer that `toolChoice` makes calls. Default 1. Some models write one
   * in any case: see `docs/tool-calling.md`.
   */
  readonly maxToolCalls?: number;
  /**
   * Grammar in GBNF that the whole answer matches, what is thought before it included; its rule `root`
   * comes first. None by default. Declared by `capabilities.grammar`.
   *
   * The run fails with `GRAMMAR_INVALID` before its first text, and with `GRAMMAR_DEAD_END` where the
   * model has no token to go on with. An answer that was cut (`maxTokens`, a stop string) is the beginning
   * of one that matches.
   */
  readonly grammar?: string;
  /**
   * JSON Schema that the answer is valid by; parsed, it is the result's `json`. See
   * {@link jsonSchemaToGrammar} for what is followed, and for what is refused with `SCHEMA_UNSUPPORTED`.
   * None by default; one of `grammar`, `schema` and `regex` at most. Declared by `capabilities.grammar`.
   * The model is not told of it: say in the prompt what is wanted. Beside `tools` only with `toolChoice`
   * `none`: an answer that is all form calls nothing.
   */
  readonly schema?: JsonSchema;
  /**
   * Regular expression that the whole answer matches, as {@link regexToGrammar} reads it. None by
   * default. Declared by `capabilities.grammar`.
   */
  readonly regex?: RegExp | string;
  /**
   * Adapters of the same model that are applied, each at its scale; none by default, and at most 32. Other
   * generations go on beside with theirs. What was cached with other adapters, or at other scales, is not
   * used: it is computed again. Declared by `capabilities.adapters`.
   */
  readonly adapters?: readonly AdapterUse[];
  /**
   * Whether tokens are guessed ahead and checked together in one step, which saves time where guesses are
   * often right: in summaries, corrections, extracts and code, which repeat what the prompt has. `auto`
   * guesses where that was measured to pay, and decodes plainly where the engine does not declare
   * `capabilities.speculation`; `always` guesses wherever it can, and is refused there; `off` never does.
   * `usage` tells how many guesses were right.
   *
   * Tokens are sampled in the same way. But a step of several tokens rounds a little differently than
   * steps of one, as a step shared with other sessions does, and that can tip a choice between two near
   * equals. So the default is `auto`, but `off` where a `seed` or a `temperature` of 0 asks for an answer
   * that can be repeated.
   */
  readonly speculation?: Speculation;
  /** Alternatives to report with each token, 0 to 20; none by default. Declared by `capabilities.logprobs`. */
  readonly logprobs?: number;
  /** Ends the generation; the run then rejects with the signal's reason and keeps its partial result. */
  readonly signal?: AbortSignal;
}

/** A whole conversation, a raw text, or raw tokens: exactly one of the three. */
export type GenerateInput =
  | {
      /** The conversation, rendered by the model's chat template. */
      readonly messages: readonly Message[];
    }
  | {
      /** Text to go on from, without a chat template; special tokens in it stay text. */
      readonly prompt: string;
    }
  | {
      /** Tokens to go on from, taken as they are. */
      readonly tokens: readonly Token[];
    };

/** Options of {@link Model.generate}. */
export type GenerateOptions = GenerateInput & GenerationOptions;

/** Options of {@link Model.generateSamples}. */
export type GenerateSamplesOptions = GenerateOptions & {
  /** Answers to generate, from 1 to the sequences that the model was opened with. */
  readonly n: number;
};
