/** See requantized-model.mjs. */
export function ensureRequantizedModel(type: 'f16' | 'f32' | 'q4_0'): Promise<string>;

/** See requantized-model.mjs. */
export function requantize(
  source: string,
  target: string,
  type: 'f16' | 'f32' | 'q4_0',
): Promise<void>;
