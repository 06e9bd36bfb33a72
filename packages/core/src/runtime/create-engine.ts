import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Device, MemoryEstimate } from '../engine/device.js';
import type { DriverEstimateOptions, EngineDriver } from '../engine/driver.js';
import type { Engine, Model } from '../engine/engine.js';
import type {
  EstimateOptions,
  FitOptions,
  FittingOptions,
  OpenOptions,
} from '../engine/open-options.js';
import * as check from '../errors/check-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { largestAutoContextTokens, smallestAutoContextTokens } from '../planner/choose-context.js';
import type { ModelFiles } from '../store/model-files.js';
import { rememberEngine } from './engine-internals.js';
import { fitContext } from './fit-context.js';
import { fitModel } from './fit-model.js';
import { unsupported } from './generation-request.js';
import { Lifetime } from './lifetime.js';
import { memoryLimits, type MemoryPlace, totalLimit } from './memory-limits.js';
import { ModelHandle } from './model-handle.js';
import { toModelFiles } from './to-model-files.js';

/** Sequences that a model is opened with by default, where the engine allows as many. */
const defaultSequences = 4;

/** Makes an engine for applications out of a driver. This is what an engine's factory returns. */
export function createEngine(driver: EngineDriver): Engine {
  return new EngineHandle(driver);
}

/** {@link Engine} over a driver. */
export class EngineHandle implements Engine {
  readonly #driver: EngineDriver;
  readonly #lifetime = new Lifetime('engine');

  constructor(driver: EngineDriver) {
    this.#driver = driver;
    rememberEngine(this, { driver, lifetime: this.#lifetime });
  }

  get name(): string {
    return this.#driver.name;
  }

  get version(): string {
    return this.#driver.version;
  }

  get capabilities(): EngineCapabilities {
    return this.#driver.capabilities;
  }

  get devices(): readonly Device[] {
    return this.#driver.devices;
  }

  async estimate(
    files: ModelFiles | string,
    options: EstimateOptions = {},
  ): Promise<MemoryEstimate> {
    const checked = checkEstimate(options, '');
    return this.#lifetime.during(checked.signal, async (signal) => {
      const resolved = toModelFiles(files, this.capabilities);
      const inspected = await this.#driver.inspect(resolved, signal);
      const contextTokens = checked.contextTokens ?? inspected.trainedContextTokens;
      requireTrained(contextTokens, inspected.trainedContextTokens);
      const adapters = this.#adapters(checked.adapters);
      const asked = { ...this.#common(checked), ...adapters, contextTokens, signal };
      return this.#estimate(resolved, asked);
    });
  }

  async fit(files: ModelFiles | string, options: FitOptions = {}): Promise<FittingOptions> {
    const checked = checkFit(options, '');
    return this.#lifetime.during(checked.signal, async (signal) => {
      const resolved = toModelFiles(files, this.capabilities);
      const common = this.#common(checked);
      const { trainedContextTokens } = await this.#driver.inspect(resolved, signal);
      const adapters = this.#adapters(checked.adapters);
      const budgets = checked.budgetBytes ?? {};
      const limits = await memoryLimits(this.devices, budgets);
      const deviceBytes = typeof budgets === 'number' ? undefined : budgets.devices;
      const budgetBytes = totalLimit(limits);
      signal.throwIfAborted();
      const maxTokens = checked.contextTokens?.max ?? trainedContextTokens;
      requireTrained(maxTokens, trainedContextTokens);
      const minTokens =
        checked.contextTokens?.min ?? Math.min(smallestAutoContextTokens, maxTokens);
      if (minTokens > maxTokens) {
        throw wrongValue('contextTokens.min', `is ${minTokens}, more than ${maxTokens} at most`);
      }
      const own = common.engineOptions;
      const asked = (contextTokens: number, engineOptions: Readonly<Record<string, unknown>>) => ({
        ...{ ...common, ...adapters, contextTokens, engineOptions, signal },
        ...(deviceBytes && { deviceBytes }),
      });
      const { contextTokens, engineOptions, estimate, reason } = await fitModel({
        variants: different(
          (this.#driver.memoryVariants ?? [{}]).map((item) => ({ ...item, ...own })),
        ),
        prefer: checked.prefer === 'context' ? 'context' : 'variant',
        minTokens,
        maxTokens,
        limits,
        estimate: async (tokens, variant) => {
          signal.throwIfAborted();
          return this.#estimate(resolved, asked(tokens, variant));
        },
        advice: (place, variant) => this.#advice(asked(minTokens, variant), place),
      });
      signal.throwIfAborted();
      return {
        openOptions: { ...common, contextTokens, engineOptions },
        estimate,
        ...(budgetBytes < Infinity && { budgetBytes }),
        reason,
      };
    });
  }

  async open(files: ModelFiles | string, options: OpenOptions = {}): Promise<Model> {
    const checked = checkOpen(options, '');
    return this.#lifetime.during(checked.signal, async (signal) => {
      const resolved = toModelFiles(files, this.capabilities);
      const common = this.#common(checked);
      const [inspected, limits] = await Promise.all([
        this.#driver.inspect(resolved, signal),
        memoryLimits(this.devices),
      ]);
      signal.throwIfAborted();
      const asked = checked.contextTokens ?? 'auto';
      if (asked !== 'auto') requireTrained(asked, inspected.trainedContextTokens);
      const contextTokens = await fitContext({
        asked,
        largestTokens: Math.min(inspected.trainedContextTokens, largestAutoContextTokens),
        limits: this.capabilities.estimate ? limits : { machineBytes: undefined, devices: [] },
        estimate: (tokens) =>
          this.#estimate(resolved, { ...common, contextTokens: tokens, signal }),
        advice: (tokens, place) => this.#advice({ ...common, contextTokens: tokens }, place),
      });
      signal.throwIfAborted();
      const driver = await this.#driver.open(resolved, {
        ...common,
        contextTokens,
        threads: checked.threads ?? 'auto',
        signal,
        ...(checked.onProgress && { onProgress: checked.onProgress }),
      });
      // The engine may have been closed, or the caller have gone, while the last bytes were read.
      if (signal.aborted) {
        await driver.close();
        throw signal.reason;
      }
      const model = new ModelHandle({
        driver,
        engine: this.name,
        capabilities: this.capabilities,
        sequences: common.sequences,
        chatTemplate: checked.chatTemplate,
        onClose: () => {
          forget();
        },
      });
      const forget = this.#lifetime.adopt(model);
      return model;
    });
  }

  close(): Promise<void> {
    return this.#lifetime.close(async () => {
      await this.#driver.close?.();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What `open` and `estimate` pass on alike. */
  #common(checked: CheckedCommon): {
    readonly sequences: number;
    readonly device?: string;
    readonly engineOptions: Readonly<Record<string, unknown>>;
  } {
    const { maxSequences } = this.capabilities;
    const sequences = checked.sequences ?? Math.min(defaultSequences, maxSequences);
    if (sequences > maxSequences) {
      throw wrongValue('sequences', `the engine "${this.name}" has ${maxSequences} at most`);
    }
    const known = this.devices.map((device) => device.id);
    if (checked.device !== undefined && !known.includes(checked.device)) {
      throw wrongValue(
        'device',
        `there is no device "${checked.device}"; the devices are ${known.join(', ')}`,
      );
    }
    return {
      sequences,
      ...(checked.device === undefined ? {} : { device: checked.device }),
      engineOptions: checked.engineOptions ?? {},
    };
  }

  /** Adapters as an option of drivers. */
  #adapters(adapters: readonly (ModelFiles | string)[] = []): {
    readonly adapters?: readonly ModelFiles[];
  } {
    if (adapters.length === 0) return {};
    if (!this.capabilities.adapters) throw unsupported(this.name, 'apply adapters', 'adapters');
    return {
      adapters: adapters.map((files, index) =>
        toModelFiles(files, this.capabilities, 'adapter', `adapters[${index}]`),
      ),
    };
  }

  #advice(options: DriverEstimateOptions, { device, items }: MemoryPlace): readonly string[] {
    const shortage = { ...(device !== undefined && { device }), items };
    return this.#driver.memoryAdvice?.(options, shortage) ?? [];
  }

  #estimate(files: ModelFiles, options: DriverEstimateOptions): Promise<MemoryEstimate> {
    if (!this.capabilities.estimate || !this.#driver.estimate) {
      throw unsupported(this.name, 'estimate memory', 'estimate');
    }
    return this.#driver.estimate(files, options);
  }
}

interface CheckedCommon {
  readonly sequences?: number;
  readonly device?: string;
  readonly engineOptions?: Readonly<Record<string, unknown>>;
}

const commonChecks = {
  sequences: check.integer({ min: 1 }),
  device: check.string({ nonEmpty: true }),
  engineOptions: check.record,
  signal: check.abortSignal,
} as const;

const contextTokens = check.integer({ min: 1 });

/** What they are is checked where they are made files of a model. */
const adapters = check.arrayOf((value) => value as ModelFiles | string);

const bytes = check.integer({ min: 0 });

const checkBudgets = check.optionsObject({ machine: bytes, devices: bytesById });

const checkEstimate = check.optionsObject({ ...commonChecks, contextTokens, adapters });

const checkFit = check.optionsObject({
  ...commonChecks,
  budgetBytes: (value: unknown, key: string) =>
    typeof value === 'object' ? checkBudgets(value, key) : bytes(value, key),
  adapters,
  contextTokens: check.optionsObject({ min: contextTokens, max: contextTokens }),
  prefer: check.oneOf('precision', 'context'),
});

const checkOpen = check.optionsObject({
  ...commonChecks,
  contextTokens: check.either('auto', contextTokens),
  threads: check.either('auto', check.integer({ min: 1 })),
  chatTemplate: check.string({ nonEmpty: true }),
  onProgress: check.callback<(share: number) => void>(),
});

function bytesById(value: unknown, key: string): Readonly<Record<string, number>> {
  const rows = Object.entries(check.record(value, key));
  return Object.fromEntries(rows.map(([id, row]) => [id, bytes(row, `${key}.${id}`)]));
}

/** The first of each: what was given by the caller may make variants alike. */
function different<T extends Readonly<Record<string, unknown>>>(variants: readonly T[]): T[] {
  const seen = new Set<string>();
  return variants.filter((variant) => {
    const words = JSON.stringify(Object.entries(variant).sort(([a], [b]) => (a < b ? -1 : 1)));
    return !seen.has(words) && seen.add(words);
  });
}

function requireTrained(asked: number, trained: number): void {
  if (asked <= trained) return;
  throw wrongValue(
    'contextTokens',
    `this model was trained for a context of ${trained} tokens, and ${asked} were asked for`,
  );
}
