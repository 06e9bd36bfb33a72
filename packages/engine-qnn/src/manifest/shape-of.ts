import type { NativeShape } from '../addon.js';
import type { QnnModelParameters } from '@mobillm/core';

/** The numbers that a model's graphs have, as the addon takes them. */
export function shapeOf(parameters: QnnModelParameters): NativeShape {
  return {
    layers: parameters.layers,
    embeddingLength: parameters.embeddingLength,
    feedForwardLength: parameters.feedForwardLength,
    heads: parameters.heads,
    kvHeads: parameters.kvHeads,
    headLength: parameters.headLength,
    vocabularySize: parameters.vocabularySize,
  };
}
