import type { GenerateSpec } from './driver.js';

/** How a prompt is only computed: nothing is sampled. */
export function prefillSpec(
  creditTokens: number,
  { keepLogits }: Pick<GenerateSpec, 'keepLogits'>,
): GenerateSpec {
  return {
    maxTokens: 0,
    keepLogits,
    endTokens: new Set(),
    logprobs: undefined,
    creditTokens,
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
  };
}
