import type {
  GenerateSpec,
  ModelDriver,
  SequenceDriver,
  TokenBatch,
  TokenLogprobs,
} from '../engine/driver.js';
import { greedy } from '../engine/sampling.js';
import type { Token } from '../tokenizer/tokenizer.js';

/** A specification with everything ordinary but what is given; end tokens end nothing by default. */
export function specOf(own: Partial<GenerateSpec> = {}): GenerateSpec {
  return {
    maxTokens: 8,
    keepLogits: false,
    endTokens: new Set(),
    speculation: 'off',
    sampling: greedy,
    logprobs: undefined,
    creditTokens: 64,
    ...own,
  };
}

/** What a generation came to. */
export interface Driven {
  /** All sampled tokens. */
  readonly tokens: readonly Token[];
  /** One row a token, where they were asked for. */
  readonly logprobs: readonly TokenLogprobs[];
  /** The batches as they came. */
  readonly batches: readonly TokenBatch[];
  /** How it ended. */
  readonly finish: TokenBatch['finish'];
}

/** Runs a generation to its end. */
export async function drive(
  sequence: SequenceDriver,
  tokens: readonly Token[],
  own: Partial<GenerateSpec> = {},
  signal?: AbortSignal,
): Promise<Driven> {
  const batches: TokenBatch[] = [];
  for await (const batch of sequence.generate(tokens, specOf(own), signal)) batches.push(batch);
  return {
    batches,
    tokens: batches.flatMap((batch) => batch.tokens),
    logprobs: batches.flatMap((batch) => batch.logprobs ?? []),
    finish: batches.at(-1)?.finish,
  };
}

/** Opens a sequence, uses it and closes it. */
export async function withSequence<T>(
  model: ModelDriver,
  use: (sequence: SequenceDriver) => Promise<T>,
): Promise<T> {
  const sequence = await model.createSequence();
  try {
    return await use(sequence);
  } finally {
    await sequence.close();
  }
}

/** What a rejected promise was rejected with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return undefined;
}
