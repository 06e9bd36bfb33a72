import { check } from '@mobillm/core';

/** How weights are stored and multiplied. */
export type MlcQuantization = 'f32' | 'q4f32';

/** The machine to compile for, in LLVM's words. */
export interface MlcTarget {
  /** `x86_64-unknown-linux-gnu`, `aarch64-unknown-linux-gnu`. */
  readonly triple: string;
  /** `x86-64-v3`, `cortex-a76`, `generic`. */
  readonly cpu: string;
  /** Instruction sets beside those of `cpu`: `+avx2`, `+dotprod`. */
  readonly features: readonly string[];
}

/** Options of one compilation, for `compilerOptions` of `ModelCompiler.compile`. */
export interface MlcCompileOptions {
  /**
   * `q4f32` stores matrices in 4 bits with a scale in f32 for each 32 weights: 5 bits a weight. They are
   * quantized from what the source holds, so a source of high precision (F16, Q8_0) serves best.
   * `f32` keeps the source's weights as they are. Default `q4f32`.
   */
  readonly quantization?: MlcQuantization;
  /**
   * Context of the model in tokens, at least 1; at most what it was trained for, which is the default.
   * Takes no memory before a model is opened.
   */
  readonly contextTokens?: number;
  /**
   * Most tokens of one prefill step, 1 to 8192, at most the context. Memory for intermediate results
   * grows with it: about 21 kB a token for a model of 135 million weights. Default 512.
   */
  readonly chunkTokens?: number;
  /** The machine to compile for. Default this one, as `probeHardware` describes it. */
  readonly target?: MlcTarget;
  /** C compiler that links for the target: `aarch64-linux-gnu-gcc`. Default `cc`. */
  readonly linker?: string;
  /**
   * `default` compiles with the schedules that come with TVM, which are slower by far: to measure
   * against. Default `own`.
   */
  readonly schedules?: 'own' | 'default';
}

/** Options of {@link createMlcCompiler}. */
export interface MlcCompilerOptions {
  /** Python program to run: a CPython 3.10 to 3.13 with pip. Default `MOBILLM_PYTHON`, else `python3`. */
  readonly python?: string;
  /**
   * Path of the engine's addon, which converts the weights. Default as for the engine's own factory.
   */
  readonly addon?: string | object;
  /** What a compilation that says nothing else is done with; `estimate` takes it too. */
  readonly defaults?: MlcCompileOptions;
}

const text = check.string({ nonEmpty: true });

const target: check.Check<MlcTarget> = (value, key) => {
  const shape = { triple: text, cpu: text, features: check.arrayOf(text) };
  const found = check.optionsObject(shape)(value, key);
  return {
    triple: text(found.triple, `${key}.triple`),
    cpu: text(found.cpu, `${key}.cpu`),
    features: shape.features(found.features, `${key}.features`),
  };
};

const addon: check.Check<string | object> = (value, key) =>
  typeof value === 'object' && value !== null ? value : text(value, key);

const checkCompile = check.optionsObject({
  quantization: check.oneOf('f32', 'q4f32'),
  contextTokens: check.integer({ min: 1, max: 2 ** 24 }),
  chunkTokens: check.integer({ min: 1, max: 8192 }),
  target,
  linker: text,
  schedules: check.oneOf('own', 'default'),
});

const checkCompiler = check.optionsObject({ python: text, addon, defaults: checkCompile });

/** Checks the factory's options. */
export function checkCompilerOptions(options: unknown): MlcCompilerOptions {
  return checkCompiler(options, '');
}

/** Options of one compilation with all that has a default of its own filled in. */
export type ResolvedCompileOptions = Required<
  Pick<MlcCompileOptions, 'quantization' | 'linker' | 'schedules'>
> &
  MlcCompileOptions;

/** Checks `compilerOptions`; what they leave open is taken from the factory's `defaults`. */
export function resolveCompileOptions(
  options: unknown,
  defaults: MlcCompileOptions = {},
): ResolvedCompileOptions {
  return {
    quantization: 'q4f32',
    linker: 'cc',
    schedules: 'own',
    ...defaults,
    ...checkCompile(options, 'compilerOptions'),
  };
}
