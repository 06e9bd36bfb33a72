import type { GgufTensor } from '@mobillm/core';

/** Mixtures by `general.file_type` (`llama_ftype`), whose name no single tensor's type tells. */
const mixtures: Readonly<Record<number, string>> = {
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  21: 'Q2_K_S',
  22: 'IQ3_XS',
  27: 'IQ3_M',
  29: 'IQ2_M',
};

/**
 * Names a quantization as users know it: the type that most weight bytes have, or the mixture that
 * the file says it is, provided that it is one of that type.
 */
export function quantizationName(tensors: readonly GgufTensor[], fileType: unknown): string {
  const bytes = new Map<string, number>();
  for (const { type, byteLength } of tensors) {
    bytes.set(type.name, (bytes.get(type.name) ?? 0) + byteLength);
  }
  const [main] = [...bytes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  if (main === undefined) return 'none';
  const claimed = typeof fileType === 'number' ? mixtures[fileType] : undefined;
  const family = (name: string) => /^I?Q\d/.exec(name)?.[0];
  return claimed !== undefined && family(claimed) === family(main[0]) ? claimed : main[0];
}
