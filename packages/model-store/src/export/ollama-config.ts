import type { ModelDescription } from '@mobillm/core';

/** What Ollama keeps beside the layers of a model, as it writes it itself. */
export function ollamaConfig(
  { architecture, parameterCount, quantization }: ModelDescription,
  digests: readonly string[],
  isSplit: boolean,
): string {
  return `${JSON.stringify({
    model_format: 'gguf',
    model_family: architecture,
    model_families: [architecture],
    ...(parameterCount !== undefined && { model_type: humanNumber(parameterCount) }),
    file_type: quantization,
    // The version that runs models in several files.
    ...(isSplit && { requires: '0.35.0' }),
    // Asked for by the format of images, whatever runs them.
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: digests },
  })}\n`;
}

/** A number of weights as Ollama shows it: `134.52M`, `8.0B`, `7B`. */
export function humanNumber(count: number): string {
  const units = [
    { size: 1e9, unit: 'B', digits: 1 },
    { size: 1e6, unit: 'M', digits: 2 },
  ];
  for (const { size, unit, digits } of units) {
    if (count < size) continue;
    const number = count / size;
    return `${number.toFixed(Number.isInteger(number) ? 0 : digits)}${unit}`;
  }
  return count >= 1000 ? `${(count / 1000).toFixed(0)}K` : String(count);
}
