import type { GenerateSpec, ModelDriver, SequenceDriver, Token } from '@mobillm/core';

/** A spec for greedy decoding that no token ends. */
export function greedySpec(own: Partial<GenerateSpec> = {}): GenerateSpec {
  return {
    maxTokens: 8,
    keepLogits: false,
    endTokens: new Set(),
    logprobs: undefined,
    creditTokens: 64,
    sampling: {
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
    },
    ...own,
  };
}

/** The tokens that a generation samples. */
export async function sample(
  sequence: SequenceDriver,
  tokens: readonly Token[],
  own: Partial<GenerateSpec> = {},
): Promise<readonly Token[]> {
  const sampled: Token[] = [];
  for await (const batch of sequence.generate(tokens, greedySpec(own)))
    sampled.push(...batch.tokens);
  return sampled;
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

/** What a promise was rejected with; a text where it was not. */
export function failure(running: Promise<unknown>): Promise<unknown> {
  return running.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );
}
