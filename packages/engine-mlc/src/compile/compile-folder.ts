import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type CompileReport, mlcConfigFileName, toTokenizerJson } from '@mobillm/core';
import { fromNative, onAbort } from '@mobillm/core/native';
import { loadMlcAddon, type NativeShardRecord } from '../addon.js';
import type { ResolvedCompileOptions } from './compiler-options.js';
import { chatConfigOf, type CompiledAs, tensorCacheOf } from './folder-content.js';
import { ioFailed } from './place-folder.js';
import { type PythonPackage, pythonRuntime } from './python-package.js';
import { type CompileSource, requireUnchanged } from './read-source.js';
import { runPython } from './run-python.js';
import { planWeights } from './weight-plan.js';

const libraryName = 'model.so';

/** Everything that one compilation is made of. */
export interface Compilation {
  readonly source: CompileSource;
  readonly compiledAs: CompiledAs;
  readonly options: ResolvedCompileOptions;
  readonly compiler: PythonPackage;
  readonly python: string | undefined;
  readonly addon: string | object | undefined;
  readonly report: CompileReport;
  readonly signal: AbortSignal | undefined;
}

/** Writes all files of a compiled model into an empty folder. */
export async function compileInto(folder: string, compilation: Compilation): Promise<void> {
  const { source, compiledAs } = compilation;
  // Before anything that takes seconds: it refuses what it does not know.
  const { tokenizer, config } = toTokenizerJson(source.vocabulary);
  // The library and the weights have nothing to do with each other; when one fails, the other ends.
  const stop = new AbortController();
  const takeOff = onAbort(compilation.signal, () => stop.abort(compilation.signal?.reason));
  const inParallel = [
    compileLibrary(folder, { ...compilation, signal: stop.signal }),
    convertWeights(folder, { ...compilation, signal: stop.signal }),
  ] as const;
  for (const part of inParallel) part.catch((error: unknown) => stop.abort(error));
  try {
    await Promise.allSettled(inParallel);
    stop.signal.throwIfAborted();
    const [library, shards] = await Promise.all(inParallel);
    await requireUnchanged(source);
    const { lineage, parameters } = source;
    const chatConfig = chatConfigOf({ lineage, parameters, compiledAs, library });
    await writeJson(join(folder, 'tensor-cache.json'), tensorCacheOf(shards));
    await writeJson(join(folder, 'tokenizer.json'), tokenizer);
    await writeJson(join(folder, 'tokenizer_config.json'), config);
    await writeJson(join(folder, mlcConfigFileName), chatConfig);
  } finally {
    takeOff();
  }
}

async function compileLibrary(
  folder: string,
  { source, compiledAs, options, compiler, python, report, signal }: Compilation,
): Promise<{ file: string; sha256: string; bytes: number }> {
  const part = report.part(0.6);
  const runtime = await pythonRuntime(python, (step) => report.step(step), signal);
  const spec = join(folder, 'spec.json');
  const path = join(folder, libraryName);
  const { tensors: _, ropePairing: __, trainedContextTokens: ___, ...model } = source.parameters;
  const { quantization, target, contextTokens, chunkTokens, schedules } = compiledAs;
  await writeJson(spec, {
    formatVersion: 1,
    model,
    quantization,
    target,
    contextTokens,
    chunkTokens,
    schedules,
  });
  await runPython({
    python: runtime.python,
    packages: [compiler.folder, runtime.packages],
    args: ['--spec', spec, '--output', path, '--linker', options.linker],
    folder,
    onProgress: (step, share) => {
      part.share = share;
      report.step(step);
    },
    ...(signal !== undefined && { signal }),
  });
  await rm(spec);
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { file: libraryName, sha256: hash.digest('hex'), bytes: (await stat(path)).size };
}

async function convertWeights(
  folder: string,
  { source, compiledAs, addon, report, signal }: Compilation,
): Promise<readonly NativeShardRecord[]> {
  const part = report.part(0.4);
  const native = await loadMlcAddon(addon);
  const converter = new native.WeightConverter({
    source: source.path,
    folder,
    quantization: compiledAs.quantization,
    layout: compiledAs.schedules === 'own' ? 'tiles' : 'rows',
    weights: planWeights(source.parameters),
  });
  const takeOff = onAbort(signal, () => converter.abort());
  const refresh = report.before(() => (part.share = converter.share));
  try {
    return await converter.run();
  } catch (error) {
    signal?.throwIfAborted();
    throw fromNative(error);
  } finally {
    refresh();
    takeOff();
    part.share = converter.share;
    await converter.close();
  }
}

async function writeJson(path: string, content: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(content, null, 1)}\n`).catch((error: unknown) => {
    throw ioFailed(path, error);
  });
}
