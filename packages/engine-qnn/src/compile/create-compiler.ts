import {
  checkCompileOptions,
  type CompileEstimate,
  type CompileOptions,
  ggufWeightsFile,
  type HardwareProfile,
  MobillmError,
  type ModelCompiler,
  type ModelDescription,
  type ModelFiles,
  runCompilation,
} from '@mobillm/core';
import { system } from '#system';
import { openLibraries } from '../open-libraries.js';
import type { FileAccess } from '../system/system.js';
import { compileModel } from './compile-model.js';
import {
  checkCompilerOptions,
  checkOwnOptions,
  type QnnCompilerOptions,
  resolveCompileOptions,
} from './compiler-options.js';
import { estimateCompilation } from './compile-estimate.js';
import { findCompiled } from './find-compiled.js';
import { readSourceModel } from './source-model.js';

/**
 * Makes the compiler from GGUF files of the Llama architecture to context binaries for Qualcomm's
 * Hexagon processor, in 16-bit floats. Nothing is loaded before `compile` is called. Compiling needs
 * Qualcomm's library for x86-64 Linux, or one of a device that can prepare graphs itself.
 *
 * `compilerOptions` of `compile` are {@link QnnCompileOptions}.
 *
 * @throws InvalidArgument for a bad option.
 */
export function createQnnCompiler(options: QnnCompilerOptions = {}): ModelCompiler {
  return new QnnCompiler(checkCompilerOptions(options));
}

class QnnCompiler implements ModelCompiler {
  readonly name = 'qnn';
  readonly from = ['gguf'] as const;
  readonly to = 'qnn-context';
  readonly #options: QnnCompilerOptions;

  constructor(options: QnnCompilerOptions) {
    this.#options = options;
  }

  estimate(description: ModelDescription, _hardware: HardwareProfile): CompileEstimate {
    return estimateCompilation(description);
  }

  async compile(files: ModelFiles | string, options: CompileOptions): Promise<ModelFiles> {
    const { folder, compilerOptions } = checkCompileOptions(options);
    const wanted = checkOwnOptions(compilerOptions);
    const writable = requireFiles(system.files);
    return runCompilation(options, async (report, stop) => {
      const source = await readSourceModel(writable, ggufWeightsFile(files), stop);
      const resolved = resolveCompileOptions(wanted, source.parameters.trainedContextTokens);
      const libraries = await openLibraries(this.#options);
      try {
        const job = { source, options: resolved, libraries, folder, signal: stop };
        const former = await findCompiled(job, writable);
        if (former !== undefined) return former;
        const output = { listFolder: (path: string) => system.listFolder(path), files: writable };
        return await compileModel(job, output, report);
      } finally {
        await libraries.close();
      }
    });
  }
}

function requireFiles(files: FileAccess | undefined): FileAccess {
  if (files !== undefined) return files;
  throw new MobillmError(
    'UNSUPPORTED',
    'This platform has no file system of its own, so models are not compiled here. Compile on a computer and bring the folder along.',
  );
}
