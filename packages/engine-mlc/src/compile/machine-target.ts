import { type CpuFeature, type HardwareProfile, MobillmError } from '@mobillm/core';
import type { MlcTarget } from './compiler-options.js';

/** LLVM's triples by Node's names of system and processor. */
const triples: Readonly<Record<string, string>> = {
  'linux-x64': 'x86_64-unknown-linux-gnu',
  'linux-arm64': 'aarch64-unknown-linux-gnu',
};

/** Instruction sets that kernels gain from, as core and as LLVM name them. */
const words: Readonly<Record<string, readonly (readonly [CpuFeature, string])[]>> = {
  x64: [
    ['avx', '+avx'],
    ['avx2', '+avx2'],
    ['fma', '+fma'],
    ['f16c', '+f16c'],
    ['avx512', '+avx512f'],
    // Every processor with these has them all; of those with AVX-512 alone, not every one.
    ['avx512-vnni', '+avx512vnni'],
    ['avx512-vnni', '+avx512bw'],
    ['avx512-vnni', '+avx512cd'],
    ['avx512-vnni', '+avx512dq'],
    ['avx512-vnni', '+avx512vl'],
  ],
  arm64: [
    ['neon', '+neon'],
    ['fp16', '+fullfp16'],
    ['dotprod', '+dotprod'],
    ['i8mm', '+i8mm'],
    ['bf16', '+bf16'],
  ],
};

/**
 * The target for a machine: a processor of the lowest level and, one by one, what it was seen to have,
 * so that no instruction is used that it lacks.
 *
 * @throws MobillmError `UNSUPPORTED` for a platform that no target is known for.
 */
export function targetFor(hardware: HardwareProfile): MlcTarget {
  const triple = triples[`${hardware.os}-${hardware.arch}`];
  if (triple === undefined) {
    throw new MobillmError(
      'UNSUPPORTED',
      `Models cannot be compiled for ${hardware.os} on ${hardware.arch} without being told its target. Give the option "target", or compile on Linux on x86-64 or aarch64.`,
      { details: { os: hardware.os, arch: hardware.arch } },
    );
  }
  const available = new Set(hardware.cpu.features);
  const features = (words[hardware.arch] ?? [])
    .filter(([feature]) => available.has(feature))
    .map(([, word]) => word);
  // Whatever has AVX has all of the second level, which has no instruction set that core names.
  const x64 = available.has('avx') ? 'x86-64-v2' : 'x86-64';
  return { triple, cpu: hardware.arch === 'x64' ? x64 : 'generic', features };
}
