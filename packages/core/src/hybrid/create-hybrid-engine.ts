import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Engine, Model } from '../engine/engine.js';
import type { OpenOptions } from '../engine/open-options.js';
import * as check from '../errors/check-options.js';
import { wrongType } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { EngineHandle } from '../runtime/create-engine.js';
import { internalsOf } from '../runtime/engine-internals.js';
import { toModelFiles } from '../runtime/to-model-files.js';
import type { ModelFiles } from '../store/model-files.js';
import { type HybridCounts, noCounts, type RunningCounts } from './hybrid-counts.js';
import { HybridDriver, type HybridSide } from './hybrid-driver.js';

/** One of the two engines of a hybrid, and what it opens. */
export interface HybridSideOptions {
  /** The engine; it stays the caller's, to be closed after the hybrid. */
  readonly engine: Engine;
  /** The model in the form that this engine opens. Both forms come from one source file. */
  readonly files: ModelFiles | string;
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Threads; those of `open` by default. */
  readonly threads?: number | 'auto';
  /** Options that this engine alone has; those given to `open` go before them on the decoding side. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
}

/** Options of {@link createHybridEngine}. */
export interface HybridEngineOptions {
  /** What computes the prompt's keys and values. Its engine declares `exportKv`. */
  readonly prefill: HybridSideOptions;
  /** What writes the answer. Its engine declares `importKv`. */
  readonly decode: HybridSideOptions;
  /**
   * Shortest new text, in tokens, that is worth a hand-over; a shorter one is computed on the decoding
   * side. Default 1: the prefilling side computes every new text.
   */
  readonly minPrefillTokens?: number;
}

/** An engine made of two, see {@link createHybridEngine}. */
export interface HybridEngine extends Engine {
  /** What was computed where and handed over, in all models since the engine was made. */
  readonly counts: HybridCounts;
  /**
   * Opens the model on both engines.
   *
   * @param files the decoding side's form of the model, the one given to `createHybridEngine` by
   * default.
   * @throws MobillmError `KV_MISMATCH` when the two forms come from different weights, before anything
   * is generated; and what `open` of the two engines throws.
   */
  open(files?: ModelFiles | string, options?: OpenOptions): Promise<Model>;
}

/**
 * Makes one engine of two: a prompt is prefilled on one (an NPU, say), its cache is handed over, and
 * the answer is decoded on the other. On the next turn the decoded tokens' cache goes back, so that
 * nothing is computed twice. Where the engines cannot do that (`decode` lacks `exportKv`, or `prefill`
 * lacks `importKv`), the prefilling side computes the decoded tokens again, which
 * {@link HybridCounts.recomputedTokens} tells.
 *
 * It samples, reports and tokenizes as the decoding side does, holds the context that both can hold,
 * and names both in `placement.phases`. Closing it closes the models that it opened, not the engines.
 *
 * @throws MobillmError `UNSUPPORTED` naming what an engine lacks; InvalidArgument for a bad option.
 */
export function createHybridEngine(options: HybridEngineOptions): HybridEngine {
  const { prefill, decode, minPrefillTokens = 1 } = checkHybrid(options, '');
  const sides = { prefill: readSide(prefill, 'prefill'), decode: readSide(decode, 'decode') };
  requireCapability(sides.prefill, 'exportKv', 'hand a cache over');
  requireCapability(sides.decode, 'importKv', 'take a cache over');
  return new HybridEngineHandle(sides, minPrefillTokens);
}

class HybridEngineHandle extends EngineHandle implements HybridEngine {
  readonly #counts: RunningCounts;
  readonly #files: ModelFiles;

  constructor(
    sides: { readonly prefill: HybridSide; readonly decode: HybridSide },
    minPrefillTokens: number,
  ) {
    const counts = { ...noCounts };
    super(new HybridDriver({ ...sides, minPrefillTokens, counts }));
    this.#counts = counts;
    this.#files = sides.decode.files;
  }

  get counts(): HybridCounts {
    return { ...this.#counts };
  }

  override open(files: ModelFiles | string = this.#files, options?: OpenOptions): Promise<Model> {
    return super.open(files, options);
  }
}

const sideChecks = check.optionsObject({
  engine: (value: unknown) => value,
  files: (value: unknown) => value as ModelFiles | string,
  device: check.string({ nonEmpty: true }),
  threads: check.either('auto', check.integer({ min: 1 })),
  engineOptions: check.record,
});

const checkHybrid = check.optionsObject({
  prefill: sideChecks,
  decode: sideChecks,
  minPrefillTokens: check.integer({ min: 1 }),
});

function readSide(
  options: ReturnType<typeof sideChecks> | undefined,
  key: 'prefill' | 'decode',
): HybridSide {
  if (options === undefined) throw wrongType(key, 'an engine with its files', options);
  const { engine, files, device, threads, engineOptions = {} } = options;
  const inside = internalsOf(engine, `${key}.engine`);
  const { capabilities, devices } = inside.driver;
  if (files === undefined) throw wrongType(`${key}.files`, 'a path or model files', files);
  if (device !== undefined && !devices.some(({ id }) => id === device)) {
    const known = devices.map(({ id }) => id).join(', ');
    throw wrongType(`${key}.device`, `one of ${known}`, device);
  }
  return {
    ...inside,
    files: toModelFiles(files, capabilities),
    engineOptions,
    ...(device !== undefined && { device }),
    ...(threads !== undefined && { threads }),
  };
}

function requireCapability(
  { driver }: HybridSide,
  capability: keyof EngineCapabilities & ('exportKv' | 'importKv'),
  what: string,
): void {
  if (driver.capabilities[capability]) return;
  throw new MobillmError(
    'UNSUPPORTED',
    `The engine "${driver.name}" cannot ${what} ("${capability}" is not among its capabilities), which its part in a hybrid needs.`,
    { details: { engine: driver.name, capability } },
  );
}
