import type { CpuFeature } from './hardware-profile.js';

/** Kernel spellings, x86 first, then Arm in 64 and 32 bits. */
const spellings: readonly (readonly [flag: string, feature: CpuFeature])[] = [
  ['avx', 'avx'],
  ['avx2', 'avx2'],
  ['fma', 'fma'],
  ['f16c', 'f16c'],
  ['avx_vnni', 'avx-vnni'],
  ['avx512f', 'avx512'],
  ['avx512_vnni', 'avx512-vnni'],
  ['avx512_bf16', 'avx512-bf16'],
  ['amx_int8', 'amx-int8'],
  ['asimd', 'neon'],
  ['neon', 'neon'],
  ['asimdhp', 'fp16'],
  ['bf16', 'bf16'],
  ['asimddp', 'dotprod'],
  ['i8mm', 'i8mm'],
  ['sve', 'sve'],
  ['sve2', 'sve2'],
  ['sme', 'sme'],
  ['sme2', 'sme2'],
];

/**
 * The instruction sets that every one of these CPUs has: a thread may be moved to any of them, so
 * what one core lacks cannot be used.
 */
export function featuresOf(flagsByCpu: readonly (readonly string[])[]): readonly CpuFeature[] {
  if (flagsByCpu.length === 0) return [];
  const sets = flagsByCpu.map((flags) => new Set(flags));
  const found = spellings.filter(([flag]) => sets.every((flags) => flags.has(flag)));
  return [...new Set(found.map(([, feature]) => feature))];
}
