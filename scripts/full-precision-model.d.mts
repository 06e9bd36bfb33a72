/** See full-precision-model.mjs. */
export function ensureFullPrecisionModel(type: 'f16' | 'f32'): Promise<string>;

/** See full-precision-model.mjs. */
export function writeFullPrecision(
  source: string,
  target: string,
  type: 'f16' | 'f32',
): Promise<void>;
