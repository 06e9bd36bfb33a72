import type { GenerateSpec } from './driver.js';
import { greedy } from './sampling.js';

/** How a prompt is only computed: nothing is sampled. */
export function prefillSpec(
  creditTokens: number,
  { keepLogits }: Pick<GenerateSpec, 'keepLogits'>,
): GenerateSpec {
  return {
    maxTokens: 0,
    keepLogits,
    endTokens: new Set(),
    speculation: 'off',
    logprobs: undefined,
    creditTokens,
    sampling: greedy,
  };
}
