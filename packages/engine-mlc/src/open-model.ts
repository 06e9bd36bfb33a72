import {
  chooseThreads,
  createJsonTokenizer,
  type DriverOpenOptions,
  type HardwareProfile,
  type MlcConfig,
  MobillmError,
  probeHardware,
  type Tokenizer,
  wrongValue,
} from '@mobillm/core';
import { callNative, fromNative, onAbort } from '@mobillm/core/native';
import type { MlcAddon, NativeLibraryFacts, NativeModel, NativeWeightsOptions } from './addon.js';
import { checkTarget, featuresOf } from './check-target.js';
import type { MlcOpenOptions } from './engine-options.js';
import { parseLibraryMetadata } from './folder/library-metadata.js';
import type { ModelFolder } from './folder/model-folder.js';
import { readJsonObject } from './folder/read-json.js';
import { shardsFor } from './folder/shards-for.js';
import { activationType, estimateMemory } from './memory-estimate.js';
import { MlcModel } from './model.js';
import { version } from './version.js';

const largestTokenizerBytes = 2 ** 27;
const largestTokenizerConfigBytes = 2 ** 23;

/** The opened runtime. */
export interface OpenRuntime {
  readonly addon: MlcAddon;
  readonly facts: NativeLibraryFacts;
}

/** What {@link openModel} is asked for, the device and the engine's own options settled. */
export type OpenModelOptions = Omit<DriverOpenOptions, 'device' | 'engineOptions'> & {
  readonly device: string;
  readonly own: Required<MlcOpenOptions>;
};

/**
 * Loads a compiled model whose folder was read.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `INTEGRITY_FAILED`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`,
 * `OUT_OF_MEMORY`.
 */
export async function openModel(
  runtime: OpenRuntime,
  folder: ModelFolder,
  options: OpenModelOptions,
): Promise<MlcModel> {
  const { config } = folder;
  const hardware = await probeHardware();
  if (config.own !== undefined) checkTarget(config.own.target, hardware, folder.configPath);
  requireMemory(folder, hardware, options);
  const threads = options.threads === 'auto' ? chooseThreads(hardware).threads : options.threads;
  if (threads > runtime.facts.processors) {
    throw wrongValue(
      'threads',
      `must be at most ${runtime.facts.processors}, the processors that this process may use, but it is ${threads}`,
    );
  }
  const state = { open: true };
  const { tokenizer, chatTemplate } = await readTokenizer(folder, state, options.signal);
  const chunkTokens = Math.min(config.chunkTokens, 65_536);
  const batchTokens = Math.min(options.own.batchTokens, chunkTokens);
  const { native, kvType } = await load(runtime, folder, { ...options, threads, batchTokens });
  return new MlcModel({
    native,
    folder,
    tokenizer,
    chatTemplate,
    contextTokens: options.contextTokens,
    sequences: options.sequences,
    processors: runtime.facts.processors,
    batchTokens: chunkTokens,
    placement: {
      engine: 'mlc',
      engineVersion: version,
      library: libraryName(runtime.facts, config),
      ...(runtime.facts.runtimeBuild !== '' && { libraryBuild: runtime.facts.runtimeBuild }),
      layersByDevice: { [options.device]: config.measures.layers },
      modelSha256: folder.sha256,
      keyType: kvType,
      valueType: kvType,
    },
    onClose: () => {
      state.open = false;
    },
  });
}

/** `TVM runtime, tvm-ffi 0.1.16 (f32; CPU: avx2, fma)`. */
function libraryName(facts: NativeLibraryFacts, config: MlcConfig): string {
  const features = config.own === undefined ? [] : featuresOf(config.own.target);
  const cpu = features.length === 0 ? 'CPU' : `CPU: ${features.join(', ')}`;
  return `TVM runtime, tvm-ffi ${facts.ffiVersion} (${config.quantization}; ${cpu})`;
}

/** With overcommitment the system grants any cache and ends the process when it is used. */
function requireMemory(
  folder: ModelFolder,
  hardware: HardwareProfile,
  { contextTokens, sequences, device }: OpenModelOptions,
): void {
  const availableBytes = hardware.memory.effectiveAvailableBytes;
  if (availableBytes === undefined) return;
  const { totalBytes } = estimateMemory(folder, { contextTokens, sequences, device });
  if (totalBytes <= availableBytes) return;
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new MobillmError(
    'OUT_OF_MEMORY',
    `The model with a context of ${contextTokens} tokens needs ${mebibytes(totalBytes)}, but only ${mebibytes(availableBytes)} are available. Choose a smaller contextTokens or a smaller model, or close other programs.`,
    { retryable: true, details: { neededBytes: totalBytes, availableBytes, contextTokens } },
  );
}

async function readTokenizer(
  folder: ModelFolder,
  state: { readonly open: boolean },
  signal: AbortSignal | undefined,
): Promise<{ readonly tokenizer: Tokenizer; readonly chatTemplate: unknown }> {
  const config = await readJsonObject(
    folder.tokenizerConfigPath,
    largestTokenizerConfigBytes,
    signal,
  );
  const tokenizer = await createJsonTokenizer({
    tokenizer: await readJsonObject(folder.tokenizerPath, largestTokenizerBytes, signal),
    config,
    requireOpen: () => {
      if (!state.open) throw new MobillmError('CLOSED', 'The model was closed. Open it again.');
    },
  });
  const rows = folder.config.vocabularySize;
  if (tokenizer.vocabularySize > rows) {
    throw new MobillmError(
      'MODEL_INVALID',
      `The tokenizer ${folder.tokenizerPath} has ${tokenizer.vocabularySize} tokens and the model ${rows}: they do not belong together. Compile or download the model again.`,
      { details: { path: folder.tokenizerPath, tokens: tokenizer.vocabularySize, rows } },
    );
  }
  return { tokenizer, chatTemplate: config['chat_template'] };
}

/** Loads; a model that fails to, or that nobody wants any more, is closed before this rejects. */
async function load(
  { addon }: OpenRuntime,
  folder: ModelFolder,
  options: OpenModelOptions & { readonly threads: number; readonly batchTokens: number },
): Promise<{ readonly native: NativeModel; readonly kvType: string }> {
  const { signal, onProgress } = options;
  const { config } = folder;
  signal?.throwIfAborted();
  let failure: { readonly error: unknown } | undefined;
  const report = (share: number): void => {
    try {
      onProgress?.(share);
    } catch (error) {
      failure = { error };
      native.abortLoad();
    }
  };
  const native = callNative(
    () =>
      new addon.Model({
        library: folder.libraryPath,
        librarySha256: config.own?.library.sha256 ?? '',
        threads: options.threads,
        contextTokens: options.contextTokens,
        sequences: options.sequences,
        batchTokens: options.batchTokens,
        ...(onProgress && { onProgress: report }),
      }),
  );
  const stopListening = onAbort(signal, () => native.abortLoad());
  try {
    const metadata = await native.loadLibrary();
    signal?.throwIfAborted();
    const facts = await native.loadWeights(weightsOptions(folder, metadata));
    signal?.throwIfAborted();
    // A small model is loaded before its progress was told.
    if (failure) throw failure.error;
    return { native, kvType: facts.kvType ?? activationType(config.quantization) };
  } catch (error) {
    await native.close();
    if (signal?.aborted) throw signal.reason;
    if (failure) throw failure.error;
    throw fromNative(error);
  } finally {
    stopListening();
  }
}

function weightsOptions(folder: ModelFolder, metadataText: string): NativeWeightsOptions {
  const { config } = folder;
  const metadata = parseLibraryMetadata(metadataText, folder.libraryPath);
  return {
    parameterCount: metadata.parameters.length,
    shards: shardsFor(folder.cache, folder.folder, metadata.parameters),
    vocabularySize: config.vocabularySize,
    // Larger than what the code was compiled for would overrun what it planned.
    chunkTokens: Math.min(metadata.chunkTokens ?? config.chunkTokens, config.chunkTokens),
    ...(config.own && {
      rope: { pairing: config.own.ropePairing, rotatedLength: config.measures.headLength },
    }),
  };
}
