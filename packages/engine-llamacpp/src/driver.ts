import {
  type Device,
  type DriverEstimateOptions,
  type DriverOpenOptions,
  type EngineCapabilities,
  type EngineDriver,
  type InspectedModel,
  type LoraAdapterFile,
  type MemoryEstimate,
  type MemoryShortage,
  type ModelDriver,
  type ModelFiles,
  samplingFeatures,
} from '@mobillm/core';
import { callNative, fromNative, onAbort } from '@mobillm/core/native';
import { adapterItems, lessAdapters } from './adapter-memory.js';
import {
  type LlamaCppAddon,
  loadLlamaCppAddon,
  type NativeContextOptions,
  type NativeDescription,
  type NativeDevice,
  type NativeEstimated,
  type NativeEstimateOptions,
  type NativeModel,
  type NativeModelFacts,
  type NativeModelFile,
  type NativeTuningOptions,
} from './addon.js';
import {
  checkEngineOptions,
  type LlamaCppEngineOptions,
  type ResolvedOpenOptions,
  resolveOpenOptions,
} from './engine-options.js';
import { Lineage } from './lineage.js';
import { readAdapter } from './load-adapter.js';
import { loadBackends } from './load-backends.js';
import { adviseMemory, withAdvice } from './memory-advice.js';
import { memoryItems } from './memory-items.js';
import { LlamaCppModel } from './model.js';
import { type ModelHeader, ModelHeaders } from './model-header.js';
import { runRequest } from './native-request.js';
import { resolveOffload } from './offload.js';
import { rpcDevices } from './rpc-devices.js';
import { version } from './version.js';

const name = 'llamacpp';

const capabilities: EngineCapabilities = {
  formats: ['gguf'],
  // The library's own limit for one context is 256; one of them is for handing caches over.
  maxSequences: 255,
  truncate: 'exact',
  sampling: samplingFeatures,
  logprobs: true,
  grammar: true,
  speculation: true,
  copySequence: true,
  removeTokens: true,
  // Not of every model: what keeps a state, a window or compressed keys is refused, with the reason.
  exportKv: true,
  importKv: true,
  embed: true,
  rerank: true,
  adapters: true,
  adjust: true,
  trim: false,
  estimate: true,
};

/**
 * Loads the addon and makes the driver that {@link createLlamaCppEngine} builds on, for tests of the
 * driver's own contract.
 *
 * @throws MobillmError `ADDON_NOT_FOUND`, `ADDON_INCOMPATIBLE`; InvalidArgument for a bad option.
 */
export async function createLlamaCppDriver(
  options: LlamaCppEngineOptions = {},
): Promise<EngineDriver> {
  const checked = checkEngineOptions(options);
  const { addon: source, backends = 'auto', rpc = [], log, logLevel = 'warn' } = checked;
  const { calibrationFolder = '', signal } = checked;
  signal?.throwIfAborted();
  const { addon, folder } = await loadLlamaCppAddon(source).catch((error: unknown) => {
    throw fromNative(error);
  });
  const sink = log && new addon.LogSink(logLevel, log);
  try {
    loadBackends(addon, folder, backends);
    const remote = await rpcDevices(addon, rpc, signal);
    return new LlamaCppDriver(addon, remote, calibrationFolder, () => sink?.close());
  } catch (error) {
    sink?.close();
    throw error;
  }
}

class LlamaCppDriver implements EngineDriver {
  readonly name = name;
  readonly version = version;
  readonly capabilities = capabilities;
  // Values first: where both are quantized, the library takes more for computing than it saves.
  readonly memoryVariants = [{}, { valueType: 'q8_0' }, { keyType: 'q8_0', valueType: 'q8_0' }];
  readonly #addon: LlamaCppAddon;
  readonly #remote: readonly NativeDevice[];
  readonly #description: NativeDescription;
  readonly #headers: ModelHeaders;
  readonly #calibrationFolder: string;
  readonly #onClose: () => void;

  constructor(
    addon: LlamaCppAddon,
    remote: readonly NativeDevice[],
    calibrationFolder: string,
    onClose: () => void,
  ) {
    this.#addon = addon;
    this.#remote = remote;
    this.#calibrationFolder = calibrationFolder;
    this.#description = callNative(() => addon.describe());
    this.#headers = new ModelHeaders(addon);
    this.#onClose = onClose;
  }

  /** Asked anew each time, because free memory changes; but other machines, which it would take long. */
  get devices(): readonly Device[] {
    return [...callNative(() => this.#addon.devices()), ...this.#remote];
  }

  async inspect(files: ModelFiles, signal?: AbortSignal): Promise<InspectedModel> {
    const { architecture, trainedContextTokens } = await this.#headers.read(files, signal);
    return { architecture, trainedContextTokens };
  }

  async estimate(files: ModelFiles, options: DriverEstimateOptions): Promise<MemoryEstimate> {
    const { signal, contextTokens, adapters = [] } = options;
    const own = resolveOpenOptions(options.engineOptions);
    const header = await this.#headers.read(files, signal);
    const draft = await this.#draftHeader(own, signal);
    const loras: LoraAdapterFile[] = [];
    for (const adapter of adapters) {
      loras.push(await readAdapter(this.#addon, adapter, header, signal));
    }
    signal?.throwIfAborted();
    const deviceBytes = lessAdapters(this.devices, options.deviceBytes, loras, own.batchTokens);
    const offload = resolveOffload(this.devices, options.device, own, deviceBytes);
    const { devices, exact, layersByDevice, gpuLayers } = await this.#estimate(
      {
        ...nativeFile(header),
        ...(draft && { draft: nativeFile(draft) }),
        ...contextOptions(options, own, header),
        ...offload,
        ...this.#tuningOptions('auto', own),
      },
      signal,
    );
    const items = [
      ...memoryItems(devices),
      ...adapterItems(loras, { layersByDevice, batchTokens: own.batchTokens }),
    ];
    const chooses = offload.devices.length > 0 && own.gpuLayers === 'auto';
    return {
      items,
      totalBytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
      // With several devices the library's simulation counts more for computing than they then take.
      method: exact && loras.length === 0 && offload.devices.length < 2 ? 'exact' : 'formula',
      contextTokens,
      ...(chooses && { engineOptions: { gpuLayers: gpuLayers === -2 ? 'all' : gpuLayers } }),
    };
  }

  memoryAdvice(options: DriverEstimateOptions, shortage: MemoryShortage): readonly string[] {
    return adviseMemory(options, shortage);
  }

  /** The header of the draft model, where there is to be one. */
  async #draftHeader(
    { draftModel }: ResolvedOpenOptions,
    signal: AbortSignal | undefined,
  ): Promise<ModelHeader | undefined> {
    if (draftModel === undefined) return undefined;
    const files: ModelFiles = { format: 'gguf', files: [{ path: draftModel, role: 'weights' }] };
    return this.#headers.read(files, signal);
  }

  async #estimate(
    options: NativeEstimateOptions,
    signal: AbortSignal | undefined,
  ): Promise<NativeEstimated> {
    const estimated = await runRequest(
      () => new this.#addon.Estimate(options),
      (native) => native.run(),
      signal,
    );
    signal?.throwIfAborted();
    return estimated;
  }

  async open(files: ModelFiles, options: DriverOpenOptions): Promise<ModelDriver> {
    const { signal } = options;
    const own = resolveOpenOptions(options.engineOptions);
    const header = await this.#headers.read(files, signal);
    const draft = await this.#draftHeader(own, signal);
    signal?.throwIfAborted();
    let progressFailure: { readonly error: unknown } | undefined;
    const native: NativeModel = callNative(
      () =>
        new this.#addon.Model({
          ...contextOptions(options, own, header),
          ...nativeFile(header),
          ...(draft && { draft: nativeFile(draft) }),
          ...resolveOffload(this.devices, options.device, own),
          ...this.#tuningOptions(options.threads, own),
          weights: own.weights,
          ...(options.onProgress && {
            onProgress: (share: number) => {
              try {
                options.onProgress?.(share);
              } catch (error) {
                progressFailure = { error };
                native.abortLoad();
              }
            },
          }),
        }),
    );
    const facts = await load(native, signal, () => progressFailure).catch((error: unknown) => {
      throw withAdvice(error, options);
    });
    const weights = files.files.find((file) => file.role === 'weights');
    return new LlamaCppModel({
      addon: this.#addon,
      native,
      facts,
      header,
      lineage: new Lineage(header.path, weights?.sha256),
      processors: this.#description.processors,
      batchTokens: own.batchTokens,
      placement: {
        engine: name,
        engineVersion: version,
        library: this.#description.library,
        ...(this.#description.build !== '' && { libraryBuild: this.#description.build }),
        layersByDevice: facts.layersByDevice,
        modelSha256: weights?.sha256,
        keyType: own.keyType,
        valueType: own.valueType,
      },
    });
  }

  #tuningOptions(
    threads: number | 'auto',
    { affinity, calibrate }: ResolvedOpenOptions,
  ): NativeTuningOptions {
    const calibrationFolder = this.#calibrationFolder;
    return { threads: threads === 'auto' ? 0 : threads, affinity, calibrate, calibrationFolder };
  }

  close(): Promise<void> {
    this.#onClose();
    return Promise.resolve();
  }
}

/** What the addon is told of a checked file. */
function nativeFile(header: ModelHeader): NativeModelFile {
  const { path, fileBytes, modifiedAt, split, architecture } = header;
  const { vocabularySize, modelLayers, attentionHeads } = header;
  return {
    ...{ path, fileBytes, modifiedAt, split, architecture },
    ...{ vocabularySize, modelLayers, attentionHeads },
  };
}

function contextOptions(
  options: DriverEstimateOptions,
  own: ResolvedOpenOptions,
  { generates }: ModelHeader,
): NativeContextOptions {
  return {
    contextTokens: options.contextTokens,
    // More than that nobody could ever fill.
    poolTokens: Math.min(own.poolTokens, options.contextTokens * options.sequences),
    sequences: options.sequences,
    batchTokens: own.batchTokens,
    flashAttention: own.flashAttention,
    keyType: own.keyType,
    valueType: own.valueType,
    generates,
    guesses: true,
    embedTokens: Math.min(own.embedTokens, options.contextTokens),
  };
}

/** Loads; a model that fails to, or that nobody wants any more, is closed before this rejects. */
async function load(
  native: NativeModel,
  signal: AbortSignal | undefined,
  progressFailure: () => { readonly error: unknown } | undefined,
): Promise<NativeModelFacts> {
  const stopListening = onAbort(signal, () => native.abortLoad());
  try {
    const facts = await native.load();
    signal?.throwIfAborted();
    const failure = progressFailure();
    if (failure) throw failure.error;
    return facts;
  } catch (error) {
    await native.close();
    if (signal?.aborted) throw signal.reason;
    const failure = progressFailure();
    if (failure) throw failure.error;
    throw fromNative(error);
  } finally {
    stopListening();
  }
}
