import type { QnnManifest } from './qnn-manifest.js';

/**
 * Largest context that a compiled model can be opened with, in tokens: its graphs have a fixed size,
 * whatever its source was trained for.
 */
export function usableContextTokens({ contextTokens, parameters }: QnnManifest): number {
  return Math.min(contextTokens, parameters.trainedContextTokens);
}
