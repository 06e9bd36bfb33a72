import {
  type CompileReport,
  MobillmError,
  type ModelFiles,
  type QnnGraph,
  type QnnManifest,
  qnnManifestFileName,
  toTokenizerJson,
} from '@mobillm/core';
import { callNative, fromNative, onAbort } from '@mobillm/core/native';
import type { NativeCompileOptions, NativeCompiled } from '../addon.js';
import { shapeOf } from '../manifest/shape-of.js';
import { writeManifest } from '../manifest/write-manifest.js';
import { tokenizerConfigFileName, tokenizerFileName } from '../model-folder.js';
import type { OpenLibraries } from '../open-libraries.js';
import { compiledFiles } from './compiled-files.js';
import type { ResolvedCompileOptions } from './compiler-options.js';
import { OutputFolder, type OutputSystem } from './output-folder.js';
import type { SourceModel } from './source-model.js';

/** A compilation to be done. */
export interface CompileJob {
  /** What is compiled. */
  readonly source: SourceModel;
  /** How. */
  readonly options: ResolvedCompileOptions;
  /** With what. */
  readonly libraries: OpenLibraries;
  /** Where the result goes. */
  readonly folder: string;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** Name of the binary while its hash is not known. */
const binaryAside = 'model.bin';

/** Share of the whole that the native job takes; the rest is reading before and writing after. */
const nativeShare = { from: 0.03, to: 0.97 };

/**
 * Compiles and writes the folder.
 *
 * @throws MobillmError as `ModelCompiler.compile` says, `MODEL_UNSUPPORTED` for a vocabulary that no
 * tokenizer.json can express included.
 */
export async function compileModel(
  job: CompileJob,
  system: OutputSystem,
  report: CompileReport,
): Promise<ModelFiles> {
  const { source, folder } = job;
  const { tokenizer, config } = toTokenizerJson(source.vocabulary);
  const output = await OutputFolder.create(system, folder);
  try {
    await output.writeText(tokenizerFileName, JSON.stringify(tokenizer));
    await output.writeText(tokenizerConfigFileName, JSON.stringify(config));
    const compiled = await runNative(job, output.pathAside(binaryAside), report);
    await requireUnchanged(source, system);
    report.reach('writing the folder', nativeShare.to);
    const manifest = manifestOf(job, compiled);
    await output.writeText(qnnManifestFileName, writeManifest(manifest));
    job.signal.throwIfAborted();
    const [binary] = manifest.binaries;
    const before = await system.listFolder(folder);
    await output.publish(
      {
        [binaryAside]: binary.file,
        [tokenizerFileName]: tokenizerFileName,
        [tokenizerConfigFileName]: tokenizerConfigFileName,
      },
      qnnManifestFileName,
    );
    // Only what was there before: another process may be publishing its own.
    for (const name of before.filter((file) => ownBinary.test(file) && file !== binary.file)) {
      await output.removeFormer(name);
    }
    return compiledFiles(folder, manifest);
  } finally {
    await output.discard();
  }
}

/** The names say what is inside, so a file that is not of this model was left by an earlier one. */
const binaryName = (sha256: string): string => `model-${sha256.slice(0, 12)}.bin`;
const ownBinary = /^model-[0-9a-f]{12}\.bin$/;

/** The graphs that a model is compiled into: one that prefills, one that decodes. */
export function graphsOf({ chunkTokens }: ResolvedCompileOptions): readonly QnnGraph[] {
  return [
    { name: `prefill_${chunkTokens}`, tokens: chunkTokens },
    { name: 'decode', tokens: 1 },
  ];
}

async function runNative(
  { source, options, libraries, signal }: CompileJob,
  path: string,
  report: CompileReport,
): Promise<NativeCompiled> {
  const { rmsEpsilon } = source.parameters;
  const nativeOptions: NativeCompileOptions = {
    source: source.path,
    weights: source.weights,
    weightPairing: 'interleaved',
    shape: shapeOf(source.parameters),
    rmsEpsilon,
    contextTokens: options.contextTokens,
    graphs: graphsOf(options),
    ...(options.socModel !== undefined && { socModel: options.socModel }),
    shareWeights: options.shareWeights,
    output: path,
    onProgress: (step, share) => {
      report.reach(step, nativeShare.from + share * (nativeShare.to - nativeShare.from));
    },
  };
  signal.throwIfAborted();
  const native = callNative(
    () => new libraries.addon.Compilation(libraries.library, nativeOptions),
  );
  const stopListening = onAbort(signal, () => native.abort());
  try {
    return await native.run();
  } catch (error) {
    signal.throwIfAborted();
    throw fromNative(error);
  } finally {
    stopListening();
    await native.close();
  }
}

/** Makes sure that what was compiled are the weights that the lineage names. */
async function requireUnchanged(
  { path, stamp }: SourceModel,
  { files }: OutputSystem,
): Promise<void> {
  if ((await files.stamp(path)) === stamp) return;
  throw new MobillmError(
    'INTEGRITY_FAILED',
    `The file ${path} was changed while it was compiled. Compile it again when it is complete.`,
    { details: { path } },
  );
}

function manifestOf({ source, options }: CompileJob, compiled: NativeCompiled): QnnManifest {
  const { buildId, coreApi, backendApi, socModel, htpArch, bytes, sha256 } = compiled;
  return {
    ...(source.name !== undefined && { name: source.name }),
    derivedFrom: source.lineage,
    parameters: source.parameters,
    contextTokens: options.contextTokens,
    dtype: 'f16',
    ropePairing: 'neox',
    graphs: graphsOf(options),
    binaries: [{ file: binaryName(sha256), bytes, sha256 }],
    madeWith: { buildId, coreApi, backendApi, socModel, htpArch },
    sharedWeights: options.shareWeights,
  };
}
