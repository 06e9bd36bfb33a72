import {
  type CpuFeature,
  type HardwareProfile,
  type MlcCompiledTarget,
  MobillmError,
} from '@mobillm/core';

// Maps, because what they are asked for comes from files: an object would know "constructor", too.

/** LLVM's names of the instruction sets that core knows. */
const features: ReadonlyMap<string, CpuFeature> = new Map(
  Object.entries<CpuFeature>({
    avx: 'avx',
    avx2: 'avx2',
    fma: 'fma',
    f16c: 'f16c',
    avxvnni: 'avx-vnni',
    avx512f: 'avx512',
    avx512vnni: 'avx512-vnni',
    avx512bf16: 'avx512-bf16',
    'amx-int8': 'amx-int8',
    neon: 'neon',
    fullfp16: 'fp16',
    bf16: 'bf16',
    dotprod: 'dotprod',
    i8mm: 'i8mm',
    sve: 'sve',
    sve2: 'sve2',
    sme: 'sme',
    sme2: 'sme2',
  }),
);

/** What the levels of the x86-64 psABI stand for, as far as core can tell. */
const levels: ReadonlyMap<string, readonly CpuFeature[]> = new Map([
  ['x86-64-v3', ['avx', 'avx2', 'fma', 'f16c']],
  ['x86-64-v4', ['avx', 'avx2', 'fma', 'f16c', 'avx512']],
]);

/** Processor architectures as LLVM's triples and as Node name them. */
const architectures: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'x64'],
  ['amd64', 'x64'],
  ['aarch64', 'arm64'],
  ['arm64', 'arm64'],
]);

/**
 * Checks that this machine can run what was compiled: code with instructions that a processor lacks
 * ends the process.
 *
 * @param path names the model in the error
 * @throws MobillmError `MODEL_UNSUPPORTED` with what is missing and what to do.
 */
export function checkTarget(
  target: MlcCompiledTarget,
  hardware: HardwareProfile,
  path: string,
): void {
  const [name = ''] = target.triple.split('-');
  const architecture = architectures.get(name) ?? name;
  if (hardware.arch !== '' && architecture !== hardware.arch) {
    throw unsupported(path, `for ${architecture} processors, and this one is ${hardware.arch}`, {
      compiledFor: target.triple,
      arch: hardware.arch,
    });
  }
  // Where the system does not tell them, nothing can be compared.
  if (hardware.cpu.features.length === 0) return;
  const available = new Set<CpuFeature>(hardware.cpu.features);
  const missing = featuresOf(target).filter((feature) => !available.has(feature));
  if (missing.length === 0) return;
  throw unsupported(
    path,
    `for a processor with ${missing.join(', ')}, which this one (${hardware.cpu.model ?? hardware.arch}) lacks`,
    { missing, compiledFor: target.cpu },
  );
}

/** Instruction sets that the code uses, as far as core can look for them. */
export function featuresOf(target: MlcCompiledTarget): readonly CpuFeature[] {
  const needed = new Set(levels.get(target.cpu));
  for (const word of target.features) {
    const feature = features.get(word.replace(/^\+/, ''));
    if (feature !== undefined) needed.add(feature);
  }
  return [...needed];
}

function unsupported(
  path: string,
  what: string,
  details: Readonly<Record<string, string | readonly string[]>>,
): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `The model of ${path} was compiled ${what}. Compile it on this machine, or for it.`,
    { details: { path, ...details } },
  );
}
