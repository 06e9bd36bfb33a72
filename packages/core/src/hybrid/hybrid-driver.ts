import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Device, MemoryEstimate } from '../engine/device.js';
import type {
  DriverEstimateOptions,
  DriverOpenOptions,
  EngineDriver,
  InspectedModel,
  MemoryShortage,
  ModelDriver,
  SequenceDriver,
} from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvLineage } from '../kv/kv-snapshot.js';
import { requireLineage } from '../kv/require-importable.js';
import { allOf } from '../runtime/all-of.js';
import type { EngineInternals } from '../runtime/engine-internals.js';
import type { ModelFiles } from '../store/model-files.js';
import type { RunningCounts } from './hybrid-counts.js';
import { HybridModel, type OpenSide } from './hybrid-model.js';

/** One engine of a hybrid, checked. */
export interface HybridSide extends EngineInternals {
  readonly files: ModelFiles;
  readonly device?: string;
  readonly threads?: number | 'auto';
  readonly engineOptions: Readonly<Record<string, unknown>>;
}

/** What a {@link HybridDriver} is made of. */
export interface HybridDriverOptions {
  readonly prefill: HybridSide;
  readonly decode: HybridSide;
  readonly minPrefillTokens: number;
  /** Counted on. */
  readonly counts: RunningCounts;
}

/** A driver made of two; see `createHybridEngine`. */
export class HybridDriver implements EngineDriver {
  readonly #options: HybridDriverOptions;
  readonly name: string;
  readonly version: string;
  readonly capabilities: EngineCapabilities;
  readonly devices: readonly Device[];

  constructor(options: HybridDriverOptions) {
    const [prefill, decode] = [options.prefill.driver, options.decode.driver];
    this.#options = options;
    this.name = `${prefill.name}+${decode.name}`;
    this.version = `${prefill.version}+${decode.version}`;
    this.devices = decode.devices;
    this.capabilities = joinedCapabilities(prefill.capabilities, decode.capabilities);
  }

  async inspect(files: ModelFiles, signal?: AbortSignal): Promise<InspectedModel> {
    const { prefill, decode } = this.#options;
    const inspected = await decode.driver.inspect(files, signal);
    const other = await prefill.driver.inspect(prefill.files, signal);
    return {
      architecture: inspected.architecture,
      trainedContextTokens: Math.min(inspected.trainedContextTokens, other.trainedContextTokens),
    };
  }

  async estimate(files: ModelFiles, options: DriverEstimateOptions): Promise<MemoryEstimate> {
    const { prefill, decode } = this.#options;
    const own = await estimateSide(decode, files, joinedOptions(decode, options));
    const other = await estimateSide(prefill, prefill.files, ownOptions(prefill, options));
    return {
      items: [...own.items, ...other.items],
      totalBytes: own.totalBytes + other.totalBytes,
      method: own.method === 'exact' && other.method === 'exact' ? 'exact' : 'formula',
      contextTokens: options.contextTokens,
      ...(own.engineOptions && { engineOptions: own.engineOptions }),
    };
  }

  memoryAdvice(options: DriverEstimateOptions, shortage: MemoryShortage): readonly string[] {
    const { decode } = this.#options;
    return decode.driver.memoryAdvice?.(joinedOptions(decode, options), shortage) ?? [];
  }

  async open(files: ModelFiles, options: DriverOpenOptions): Promise<ModelDriver> {
    const { prefill, decode, minPrefillTokens, counts } = this.#options;
    const opened: OpenSide[] = [];
    const open = async (side: HybridSide, from: ModelFiles, own: DriverOpenOptions) => {
      const share = (part: number) => options.onProgress?.((opened.length + part) / 2);
      const result = await openSide(side, from, {
        ...own,
        ...(options.onProgress && { onProgress: share }),
      });
      opened.push(result);
      return result;
    };
    try {
      // The caller's files first: what is wrong with them is told before the rest is loaded.
      const decoding = await open(decode, files, joinedOptions(decode, options));
      const prefilling = await open(prefill, prefill.files, ownOptions(prefill, options));
      requireLineage(
        await lineageOf(decoding, options.signal),
        await lineageOf(prefilling, options.signal),
      );
      await tryHandOver(prefilling, decoding, options.signal);
      options.signal?.throwIfAborted();
      return new HybridModel({ prefill: prefilling, decode: decoding, minPrefillTokens, counts });
    } catch (error) {
      await allOf(opened.map((side) => side.close()));
      throw error;
    }
  }
}

/**
 * What both can do together. Sampling, reports and vocabulary are the decoding side's; the sequences
 * of both are used in pairs.
 */
function joinedCapabilities(
  prefill: EngineCapabilities,
  decode: EngineCapabilities,
): EngineCapabilities {
  const both = (key: 'copySequence' | 'adjust' | 'estimate') => prefill[key] && decode[key];
  const exact = prefill.truncate === 'exact' && decode.truncate === 'exact';
  return {
    formats: decode.formats,
    maxSequences: Math.min(prefill.maxSequences, decode.maxSequences),
    truncate: exact ? 'exact' : 'all-or-nothing',
    sampling: decode.sampling,
    logprobs: decode.logprobs,
    grammar: decode.grammar,
    speculation: decode.speculation,
    copySequence: both('copySequence'),
    // Both sides would have to, and the next hand-over would carry what neither computed.
    removeTokens: false,
    // Each side would need the adapter in its own form.
    adapters: false,
    exportKv: decode.exportKv,
    importKv: decode.importKv,
    embed: decode.embed,
    rerank: decode.rerank,
    adjust: both('adjust'),
    trim: false,
    estimate: both('estimate'),
  };
}

/** The options of the side that `open` and `estimate` speak of. */
function joinedOptions<T extends DriverEstimateOptions>(side: HybridSide, options: T): T {
  const device = options.device ?? side.device;
  return {
    ...options,
    ...(side.threads !== undefined && { threads: side.threads }),
    ...(device !== undefined && { device }),
    engineOptions: { ...side.engineOptions, ...options.engineOptions },
  };
}

/** The options of the other side: what is the engine's own comes from the side alone. */
function ownOptions<T extends DriverEstimateOptions>(side: HybridSide, options: T): T {
  const { device: _device, ...common } = options;
  return {
    ...common,
    ...(side.threads !== undefined && { threads: side.threads }),
    ...(side.device !== undefined && { device: side.device }),
    engineOptions: side.engineOptions,
  } as T;
}

function estimateSide(
  { driver }: HybridSide,
  files: ModelFiles,
  options: DriverEstimateOptions,
): Promise<MemoryEstimate> {
  if (driver.estimate) return driver.estimate(files, options);
  throw missing(driver.name, 'estimate');
}

/** Opens a model that also closes when the caller closes the engine that it belongs to. */
async function openSide(
  { driver, lifetime }: HybridSide,
  files: ModelFiles,
  options: DriverOpenOptions,
): Promise<OpenSide> {
  return lifetime.during(options.signal, async (signal) => {
    const model = await driver.open(files, { ...options, signal });
    if (signal.aborted) {
      await model.close();
      throw signal.reason;
    }
    const forget = lifetime.adopt(model);
    const { name, capabilities } = driver;
    const close = () => model.close().finally(forget);
    return { name, capabilities, model, close };
  });
}

/**
 * Hands an empty cache over: what does not fit, or cannot be handed over as the models were opened, is
 * told now and not at the first prompt.
 */
async function tryHandOver(
  prefill: OpenSide,
  decode: OpenSide,
  signal?: AbortSignal,
): Promise<void> {
  const opened: SequenceDriver[] = [];
  const open = async ({ model }: OpenSide) => {
    const sequence = await model.createSequence();
    opened.push(sequence);
    return sequence;
  };
  try {
    const [from, to] = [await open(prefill), await open(decode)];
    if (!from.exportKv) throw missing(prefill.name, 'exportKv');
    if (!to.importKv) throw missing(decode.name, 'importKv');
    await to.importKv(await from.exportKv(signal && { signal }), signal);
  } finally {
    await allOf(opened.map((sequence) => sequence.close()));
  }
}

function lineageOf({ name, model }: OpenSide, signal?: AbortSignal): Promise<KvLineage> {
  if (model.lineage) return model.lineage(signal);
  throw missing(name, 'lineage');
}

function missing(engine: string, call: string): MobillmError {
  return new MobillmError(
    'UNSUPPORTED',
    `The engine "${engine}" has no "${call}", which its capabilities promise. This is a fault of the engine; its author can find it with describeEngine.`,
    { details: { engine, call } },
  );
}
