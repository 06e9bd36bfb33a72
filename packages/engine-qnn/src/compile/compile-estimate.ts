import { type CompileEstimate, type ModelDescription, requireNumbers } from '@mobillm/core';

/** Graphs that a model is compiled into, each with weights of its own. */
const graphCount = 2;

/** Bytes of a 16-bit float. */
const weightBytes = 2;

/**
 * Seconds that the library's finalizer takes, and the factor by which its memory exceeds what it
 * writes, as measured with SmolLM2-135M on one x86-64 core.
 */
const measured = { secondsPerGigabyte: 30, memoryFactor: 3 };

/** A rough figure of what compiling takes, from a model's description alone. */
export function estimateCompilation(description: ModelDescription): CompileEstimate {
  const { vocabularySize, embeddingLength, parameterCount } = requireNumbers(
    description,
    'vocabularySize',
    'embeddingLength',
    'parameterCount',
  );
  // The embedding is looked up and multiplied with: a tied one is stored for each.
  const tied = description.tiedEmbedding === undefined ? 0 : vocabularySize * embeddingLength;
  const outputBytes = (parameterCount + tied) * weightBytes * graphCount;
  return {
    seconds: Math.ceil(5 + (outputBytes / 1e9) * measured.secondsPerGigabyte),
    outputBytes,
    peakMemoryBytes: outputBytes * measured.memoryFactor,
  };
}
