import type {
  GenerateSpec,
  ModelDriver,
  SequenceDriver,
  TokenBatch,
  TokenLogprobs,
} from '../../engine/driver.js';
import type { ResolvedSampling } from '../../engine/sampling.js';
import { type EngineFixture, suiteOpenOptions } from './fixture.js';
import type { Token } from '../../tokenizer/tokenizer.js';

/** Always the most probable token. */
export const greedy: ResolvedSampling = {
  logitBias: [],
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  penaltyLastTokens: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  temperature: 0,
  seed: 0,
};

/** A specification with everything ordinary but what is given; end tokens end nothing by default. */
export function specOf(own: Partial<GenerateSpec> = {}): GenerateSpec {
  return {
    maxTokens: 8,
    keepLogits: false,
    endTokens: new Set(),
    sampling: greedy,
    logprobs: undefined,
    creditTokens: 64,
    ...own,
  };
}

/** What a generation came to. */
export interface Driven {
  readonly tokens: readonly Token[];
  readonly logprobs: readonly TokenLogprobs[];
  readonly batches: readonly TokenBatch[];
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

/**
 * Lets a model work for as long as so many tokens take, on another sequence: a clock that needs no
 * sleeping. An engine with one sequence only gets a second model for it.
 */
export async function passTokens(fixture: EngineFixture, maxTokens: number): Promise<void> {
  const { driver, options, model } = fixture;
  const prompt = promptOf(model);
  if (driver.capabilities.maxSequences > 1) {
    await withSequence(model, (sequence) => drive(sequence, prompt, { maxTokens }));
    return;
  }
  const second = await driver.open(options.files, suiteOpenOptions(options, 1));
  await withSequence(second, (sequence) => drive(sequence, prompt, { maxTokens }));
  await second.close();
}

/** The tokens of a prompt of ordinary words. */
export function promptOf(model: ModelDriver, text = 'Once upon a time there was a'): Token[] {
  return model.tokenizer.encode(text, { addSpecial: true });
}

/** A prompt of exactly that many tokens. */
export function longPrompt(model: ModelDriver, tokenCount: number): Token[] {
  const words = model.tokenizer.encode(' the cat sat on the mat and looked at the dog');
  return Array.from({ length: tokenCount }, (_, index) => words[index % words.length] ?? 0);
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
