import {
  type CompileEstimate,
  type CompileOptions,
  type HardwareProfile,
  MobillmError,
  type ModelCompiler,
  type ModelDescription,
  type ModelFiles,
} from '@mobillm/core';
import { system } from '#system';
import { openLibraries } from '../open-libraries.js';
import type { FileAccess } from '../system/system.js';
import { compileModel } from './compile-model.js';
import {
  checkCompileOptions,
  checkCompilerOptions,
  type QnnCompilerOptions,
  resolveCompileOptions,
} from './compiler-options.js';
import { estimateCompilation } from './compile-estimate.js';
import { findCompiled } from './find-compiled.js';
import { Heartbeat } from './heartbeat.js';
import { readSourceModel, sourceFile } from './source-model.js';

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
    const wanted = checkCompileOptions(options);
    const { folder, signal, onProgress } = options;
    const writable = requireFiles(system.files);
    signal?.throwIfAborted();
    const abort = new AbortController();
    const stop = (): void => abort.abort(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    const heartbeat = new Heartbeat(onProgress, { step: 'reading the model', share: 0 }, () =>
      abort.abort(),
    );
    try {
      const source = await readSourceModel(writable, sourceFile(files), abort.signal);
      const resolved = resolveCompileOptions(wanted, source.parameters.trainedContextTokens);
      const libraries = await openLibraries(this.#options);
      try {
        const job = { source, options: resolved, libraries, folder, signal: abort.signal };
        const former = await findCompiled(job, writable);
        if (former !== undefined) {
          heartbeat.report('found compiled already', 1);
          return former;
        }
        const output = { listFolder: (path: string) => system.listFolder(path), files: writable };
        return await compileModel(job, output, heartbeat);
      } finally {
        await libraries.close();
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw heartbeat.failure === undefined ? error : heartbeat.failure.error;
    } finally {
      heartbeat.stop();
      signal?.removeEventListener('abort', stop);
    }
  }
}

function requireFiles(files: FileAccess | undefined): FileAccess {
  if (files !== undefined) return files;
  throw new MobillmError(
    'UNSUPPORTED',
    'This platform has no file system of its own, so models are not compiled here. Compile on a computer and bring the folder along.',
  );
}
