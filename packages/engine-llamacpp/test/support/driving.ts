import type { GenerateSpec, ModelDriver, SequenceDriver, TokenBatch } from '@mobillm/core';

/** A spec for greedy decoding; its end tokens are the model's own. */
export function greedySpec(model: ModelDriver, own: Partial<GenerateSpec> = {}): GenerateSpec {
  return {
    maxTokens: 16,
    keepLogits: false,
    endTokens: model.tokenizer.endTokens,
    speculation: 'off',
    logprobs: undefined,
    creditTokens: 64,
    sampling: {
      logitBias: [],
      repeatPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      penaltyLastTokens: 64,
      topK: 0,
      topP: 1,
      minP: 0,
      temperature: 0,
      seed: 0,
    },
    ...own,
  };
}

/** Everything that a generation gives: its tokens, and how it ended. */
export async function collect(
  sequence: SequenceDriver,
  tokens: readonly number[],
  spec: GenerateSpec,
  signal?: AbortSignal,
): Promise<{ readonly tokens: readonly number[]; readonly finish: TokenBatch['finish'] }> {
  const sampled: number[] = [];
  let finish: TokenBatch['finish'];
  for await (const batch of sequence.generate(tokens, spec, signal)) {
    sampled.push(...batch.tokens);
    finish = batch.finish;
  }
  return { tokens: sampled, finish };
}
