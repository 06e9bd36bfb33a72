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
  samplingFeatures,
  usableContextTokens,
} from '@mobillm/core';
import { devicesOf } from './devices.js';
import { checkEngineOptions, checkOpenOptions, type QnnEngineOptions } from './engine-options.js';
import { checkTarget } from './manifest/check-target.js';
import { estimateMemory } from './memory-estimate.js';
import { type ModelFolder, readModelFolder } from './model-folder.js';
import { openModel } from './open-model.js';
import { openLibraries, type OpenLibraries } from './open-libraries.js';
import { version } from './version.js';

const capabilities: EngineCapabilities = {
  formats: ['qnn-context'],
  // Each has a cache of its own in ordinary memory.
  maxSequences: Infinity,
  truncate: 'exact',
  sampling: samplingFeatures,
  logprobs: true,
  grammar: true,
  speculation: false,
  copySequence: true,
  removeTokens: false,
  adapters: false,
  exportKv: true,
  importKv: true,
  embed: false,
  rerank: false,
  adjust: false,
  trim: false,
  estimate: true,
};

/**
 * Opens the libraries and makes the driver that {@link createQnnEngine} builds on, for tests of the
 * driver's own contract and for engines made of several.
 *
 * @throws MobillmError as {@link createQnnEngine} does.
 */
export async function createQnnDriver(options: QnnEngineOptions = {}): Promise<EngineDriver> {
  return new QnnDriver(await openLibraries(checkEngineOptions(options)));
}

class QnnDriver implements EngineDriver {
  readonly name = 'qnn';
  readonly version = version;
  readonly capabilities = capabilities;
  readonly devices: readonly Device[];
  readonly #libraries: OpenLibraries;

  constructor(libraries: OpenLibraries) {
    this.#libraries = libraries;
    this.devices = devicesOf(libraries.facts);
  }

  async inspect(files: ModelFiles, signal?: AbortSignal): Promise<InspectedModel> {
    const { manifest } = await this.#read(files, signal);
    return {
      architecture: manifest.derivedFrom.architecture,
      trainedContextTokens: usableContextTokens(manifest),
    };
  }

  async estimate(files: ModelFiles, options: DriverEstimateOptions): Promise<MemoryEstimate> {
    checkOpenOptions(options.engineOptions);
    const { manifest } = await this.#read(files, options.signal);
    return estimateMemory(manifest, {
      contextTokens: options.contextTokens,
      sequences: options.sequences,
      device: this.#deviceId(options.device),
    });
  }

  async open(files: ModelFiles, options: DriverOpenOptions): Promise<ModelDriver> {
    checkOpenOptions(options.engineOptions);
    const folder = await this.#read(files, options.signal);
    checkTarget(folder.manifest, this.#libraries.facts, folder.manifestPath);
    return openModel(this.#libraries, folder, {
      ...options,
      device: this.#deviceId(options.device),
    });
  }

  close(): Promise<void> {
    return this.#libraries.close();
  }

  async #read(files: ModelFiles, signal: AbortSignal | undefined): Promise<ModelFolder> {
    signal?.throwIfAborted();
    const folder = await readModelFolder(files, signal);
    signal?.throwIfAborted();
    return folder;
  }

  #deviceId(asked: string | undefined): string {
    return asked ?? this.devices[0]?.id ?? 'htp0';
  }
}
