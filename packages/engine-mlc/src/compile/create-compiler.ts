import {
  checkCompileOptions,
  type CompileEstimate,
  type ModelCompiler,
  type ModelDescription,
  requireNumbers,
  probeHardware,
  runCompilation,
  wrongValue,
} from '@mobillm/core';
import { compileInto } from './compile-folder.js';
import { filesOf, findCompiled } from './compiled-folder.js';
import {
  checkCompilerOptions,
  type MlcCompilerOptions,
  type ResolvedCompileOptions,
  resolveCompileOptions,
} from './compiler-options.js';
import type { CompiledAs } from './folder-content.js';
import { targetFor } from './machine-target.js';
import { placeFolder } from './place-folder.js';
import { pythonPackage, type PythonPackage } from './python-package.js';
import { type CompileSource, readSource } from './read-source.js';

const megabyte = 1e6;

/**
 * Makes the compiler that turns a GGUF file of a Llama model into a folder for the MLC engine: machine
 * code for one kind of processor, weights in the layout of its kernels, the tokenizer. Needs Python with
 * pip and a C compiler, downloads 150 MB at first use, and works on Linux.
 *
 * @throws InvalidArgument for an unknown or wrong option.
 */
export function createMlcCompiler(options?: MlcCompilerOptions): ModelCompiler {
  const { python, addon, defaults } = checkCompilerOptions(options);
  resolveCompileOptions(undefined, defaults);
  return {
    name: 'mlc',
    from: ['gguf'],
    to: 'mlc',
    estimate: (description) => estimate(description, resolveCompileOptions(undefined, defaults)),
    async compile(files, compileOptions) {
      const { folder, compilerOptions } = checkCompileOptions(compileOptions);
      const own = resolveCompileOptions(compilerOptions, defaults);
      return runCompilation(compileOptions, async (report, stop) => {
        const source = await readSource(files, stop);
        const compiler = await pythonPackage();
        const compiledAs = await settle(own, source, compiler);
        const former = await findCompiled(folder, source.lineage, compiledAs);
        if (former !== undefined) return former;
        const work = { source, compiledAs, options: own, compiler, python, addon };
        return await placeFolder(folder, async (aside) => {
          await compileInto(aside, { ...work, report, signal: stop });
          return filesOf(aside, folder);
        });
      });
    },
  };
}

/** Fills in what depends on the model and on this machine. */
async function settle(
  options: ResolvedCompileOptions,
  { parameters }: CompileSource,
  compiler: PythonPackage,
): Promise<CompiledAs> {
  const trained = parameters.trainedContextTokens;
  const contextTokens = options.contextTokens ?? trained;
  if (contextTokens > trained) {
    throw wrongValue(
      'compilerOptions.contextTokens',
      `must be at most ${trained}, which the model was trained for, but it is ${contextTokens}`,
    );
  }
  const chunkTokens = options.chunkTokens ?? Math.min(512, contextTokens);
  if (chunkTokens > contextTokens) {
    throw wrongValue(
      'compilerOptions.chunkTokens',
      `must be at most the context, ${contextTokens}, but it is ${chunkTokens}`,
    );
  }
  return {
    quantization: options.quantization,
    contextTokens,
    chunkTokens,
    schedules: options.schedules,
    target: options.target ?? targetFor(await probeHardware()),
    compilerSha256: compiler.sha256,
  };
}

/**
 * Code takes about as long and as much memory for any model of an architecture; weights are converted
 * beside it at some 150 million a second. Measured on one core of a server of 2025.
 */
function estimate(description: ModelDescription, options: ResolvedCompileOptions): CompileEstimate {
  const { parameterCount, layers } = requireNumbers(description, 'parameterCount', 'layers');
  const codeSeconds = 6 + 0.1 * layers;
  const weightBytes = options.quantization === 'f32' ? 4 : 0.625;
  return {
    seconds: Math.ceil(Math.max(codeSeconds, parameterCount / 50e6)),
    outputBytes: Math.ceil(parameterCount * weightBytes + 8 * megabyte),
    peakMemoryBytes: 700 * megabyte,
  };
}
