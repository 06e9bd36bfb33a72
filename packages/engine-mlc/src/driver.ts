import {
  type Device,
  type DriverEstimateOptions,
  type DriverOpenOptions,
  type EngineCapabilities,
  type EngineDriver,
  type InspectedModel,
  type MemoryEstimate,
  type ModelDriver,
  type ModelFiles,
  probeHardware,
  samplingFeatures,
} from '@mobillm/core';
import { callNative, fromNative } from '@mobillm/core/native';
import { system } from '#system';
import { loadMlcAddon } from './addon.js';
import { checkEngineOptions, type MlcEngineOptions, resolveOpenOptions } from './engine-options.js';
import { type ModelFolder, readModelFolder } from './folder/model-folder.js';
import { findLibraries } from './libraries/find-libraries.js';
import { estimateMemory } from './memory-estimate.js';
import { openModel, type OpenRuntime } from './open-model.js';
import { version } from './version.js';

const capabilities: EngineCapabilities = {
  formats: ['mlc'],
  // Each has a cache of its own in ordinary memory.
  maxSequences: Infinity,
  truncate: 'exact',
  sampling: samplingFeatures,
  logprobs: true,
  grammar: true,
  speculation: false,
  copySequence: false,
  removeTokens: false,
  adapters: false,
  exportKv: true,
  importKv: true,
  embed: false,
  rerank: false,
  adjust: true,
  trim: false,
  estimate: true,
};

/** Models compiled for the CPU are what this version runs. */
const cpu = 'cpu';

/**
 * Opens the runtime and makes the driver that {@link createMlcEngine} builds on, for tests of the
 * driver's own contract and for engines made of several.
 *
 * @throws MobillmError as {@link createMlcEngine} does.
 */
export async function createMlcDriver(options: MlcEngineOptions = {}): Promise<EngineDriver> {
  const { addon: source, libraries } = checkEngineOptions(options);
  const addon = await loadMlcAddon(source).catch((error: unknown) => {
    throw fromNative(error);
  });
  const paths = await findLibraries(system, libraries);
  const facts = callNative(() => addon.initialize(paths));
  const hardware = await probeHardware();
  return new MlcDriver(
    { addon, facts },
    { id: cpu, kind: 'cpu', name: hardware.cpu.model ?? hardware.arch },
  );
}

class MlcDriver implements EngineDriver {
  readonly name = 'mlc';
  readonly version = version;
  readonly capabilities = capabilities;
  readonly devices: readonly Device[];
  readonly #runtime: OpenRuntime;

  constructor(runtime: OpenRuntime, device: Device) {
    this.#runtime = runtime;
    this.devices = [device];
  }

  async inspect(files: ModelFiles, signal?: AbortSignal): Promise<InspectedModel> {
    const { config } = await this.#read(files, signal);
    const { architecture, trainedContextTokens } = config;
    return { architecture, trainedContextTokens };
  }

  async estimate(files: ModelFiles, options: DriverEstimateOptions): Promise<MemoryEstimate> {
    resolveOpenOptions(options.engineOptions);
    const { contextTokens, sequences, device = cpu } = options;
    const folder = await this.#read(files, options.signal);
    return estimateMemory(folder, { contextTokens, sequences, device });
  }

  async open(files: ModelFiles, options: DriverOpenOptions): Promise<ModelDriver> {
    const { engineOptions, ...others } = options;
    const own = resolveOpenOptions(engineOptions);
    const folder = await this.#read(files, options.signal);
    return openModel(this.#runtime, folder, { ...others, own, device: options.device ?? cpu });
  }

  async #read(files: ModelFiles, signal: AbortSignal | undefined): Promise<ModelFolder> {
    signal?.throwIfAborted();
    const folder = await readModelFolder(files, signal);
    signal?.throwIfAborted();
    return folder;
  }
}
