import {
  createJsonTokenizer,
  type DriverOpenOptions,
  MobillmError,
  usableContextTokens,
  wrongValue,
} from '@mobillm/core';
import { callNative, fromNative, onAbort } from '@mobillm/core/native';
import type { NativeModel, NativeOpenOptions } from './addon.js';
import { libraryName } from './devices.js';
import { shapeOf } from './manifest/shape-of.js';
import { QnnModel } from './model.js';
import { type ModelFolder, readJsonObject } from './model-folder.js';
import type { OpenLibraries } from './open-libraries.js';
import { version } from './version.js';

const largestTokenizerBytes = 2 ** 27;
const largestConfigBytes = 2 ** 23;

/** What {@link openModel} is asked for, the device settled. */
export type OpenModelOptions = Omit<DriverOpenOptions, 'device'> & { readonly device: string };

/**
 * Loads a compiled model whose manifest was read.
 *
 * @throws MobillmError `INTEGRITY_FAILED`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `OUT_OF_MEMORY`;
 * InvalidArgument for a context larger than the graphs'.
 */
export async function openModel(
  libraries: OpenLibraries,
  folder: ModelFolder,
  options: OpenModelOptions,
): Promise<QnnModel> {
  const { signal } = options;
  const { manifest } = folder;
  const most = usableContextTokens(manifest);
  if (options.contextTokens > most) {
    throw wrongValue(
      'contextTokens',
      `the model of ${folder.manifestPath} was compiled for ${most} tokens at most, and ${options.contextTokens} were asked for; compile it again for more`,
    );
  }
  const [tokenizerJson, config] = await Promise.all([
    readJsonObject(folder.tokenizerPath, largestTokenizerBytes, signal),
    readJsonObject(folder.tokenizerConfigPath, largestConfigBytes, signal),
  ]);
  let open = true;
  const tokenizer = await createJsonTokenizer({
    tokenizer: tokenizerJson,
    config,
    requireOpen: () => {
      if (!open) throw closed();
    },
  });
  requireVocabulary(tokenizer.vocabularySize, folder);
  signal?.throwIfAborted();
  const native = await load(libraries, folder, options);
  return new QnnModel({
    native,
    folder,
    tokenizer,
    chatTemplate: config['chat_template'],
    contextTokens: options.contextTokens,
    sequences: options.sequences,
    placement: {
      engine: 'qnn',
      engineVersion: version,
      library: libraryName(libraries.facts),
      libraryBuild: libraries.facts.buildId,
      layersByDevice: { [options.device]: manifest.parameters.layers },
      // One thread drives the processor, which has threads of its own.
      threads: 1,
      modelSha256: manifest.binaries[0].sha256,
      keyType: manifest.dtype,
      valueType: manifest.dtype,
    },
    onClose: () => {
      open = false;
    },
  });
}

/** A token that the graphs have no row for must not reach them. */
function requireVocabulary(vocabularySize: number, folder: ModelFolder): void {
  const rows = folder.manifest.parameters.vocabularySize;
  if (vocabularySize <= rows) return;
  throw new MobillmError(
    'MODEL_INVALID',
    `The tokenizer ${folder.tokenizerPath} has ${vocabularySize} tokens and the model ${rows}: they do not belong together. Compile the model again, or fetch it again.`,
    { details: { path: folder.tokenizerPath, vocabularySize, rows } },
  );
}

/** Loads; a model that fails to, or that nobody wants any more, is closed before this rejects. */
async function load(
  { addon, library }: OpenLibraries,
  folder: ModelFolder,
  options: OpenModelOptions,
): Promise<NativeModel> {
  const { signal } = options;
  let failure: { readonly error: unknown } | undefined;
  const report = (share: number): void => {
    try {
      options.onProgress?.(share);
    } catch (error) {
      failure = { error };
      native.abortLoad();
    }
  };
  const native = callNative(() => new addon.Model(library, nativeOptions(folder, options, report)));
  const stopListening = onAbort(signal, () => native.abortLoad());
  try {
    await native.load();
    signal?.throwIfAborted();
    if (failure) throw failure.error;
    return native;
  } catch (error) {
    await native.close();
    if (signal?.aborted) throw signal.reason;
    if (failure) throw failure.error;
    throw fromNative(error);
  } finally {
    stopListening();
  }
}

function nativeOptions(
  { manifest, binaryPath }: ModelFolder,
  options: OpenModelOptions,
  onProgress: (share: number) => void,
): NativeOpenOptions {
  const { parameters } = manifest;
  const [binary] = manifest.binaries;
  return {
    binary: { path: binaryPath, bytes: binary.bytes, sha256: binary.sha256 },
    madeWith: manifest.madeWith,
    shape: shapeOf(parameters),
    ropeBase: parameters.ropeBase,
    ropeScale: parameters.ropeScale,
    compiledContextTokens: manifest.contextTokens,
    graphs: manifest.graphs,
    contextTokens: options.contextTokens,
    sequences: options.sequences,
    ...(options.onProgress && { onProgress }),
  };
}

function closed(): MobillmError {
  return new MobillmError('CLOSED', 'The model was closed. Open it again.');
}
