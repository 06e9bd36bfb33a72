import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Device } from '../engine/device.js';
import * as check from '../errors/check-options.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import type { HardwareProfile } from '../hardware/hardware-profile.js';
import { hasShape, type ModelDescription } from '../store/model-description.js';
import {
  chooseContext,
  contextCandidates,
  largestAutoContextTokens,
  type ContextRange,
} from './choose-context.js';
import { chooseThreads } from './choose-threads.js';
import { estimateMemory, estimateWeights, type MemorySettings } from './estimate-memory.js';
import { formatBytes } from './format-bytes.js';
import { kvTypeBytes, type KvType } from './kv-cache.js';
import { memoryBudget } from './memory-budget.js';
import type { MemoryBudget, Plan, PlanBasis } from './plan.js';
import { suggest } from './suggest.js';

/** What the planner has to know of an engine; an `Engine` or an `EngineDriver` is one. */
export interface PlanEngine {
  /** Short name: `llamacpp`. */
  readonly name: string;
  /** What it can do. */
  readonly capabilities: Pick<EngineCapabilities, 'maxSequences'>;
  /** What it can compute on; the first is the default. */
  readonly devices: readonly Device[];
}

/** What to plan for. */
export interface PlanModelOptions {
  /** The device, as `probeHardware` reads it. */
  readonly hardware: HardwareProfile;
  /** The model, as its header describes it. */
  readonly model: ModelDescription;
  /** The engine. */
  readonly engine: PlanEngine;
  /** Context of one sequence in tokens, or `auto` (the default): the largest that fits, 8192 at most. */
  readonly contextTokens?: number | 'auto';
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Number format of cached keys. Default `f16`. */
  readonly keyType?: KvType;
  /** Number format of cached values. Default `f16`. */
  readonly valueType?: KvType;
  /** Tokens in one prefill step. Default 512. */
  readonly batchTokens?: number;
  /**
   * `shared` (the default): all sequences together hold `contextTokens`, as with llama.cpp here;
   * `per-sequence`: each one does.
   */
  readonly kvPool?: 'shared' | 'per-sequence';
}

const anObject: check.Check<object> = (value, key) => {
  if (typeof value !== 'object' || value === null) throw wrongType(key, 'an object', value);
  return value;
};
const kvType = check.oneOf(...(Object.keys(kvTypeBytes) as KvType[]));
const checkOptions = check.optionsObject({
  hardware: anObject,
  model: anObject,
  engine: anObject,
  contextTokens: check.either('auto', check.integer({ min: 1 })),
  sequences: check.integer({ min: 1 }),
  device: check.string(),
  keyType: kvType,
  valueType: kvType,
  batchTokens: check.integer({ min: 1 }),
  kvPool: check.oneOf('shared', 'per-sequence'),
});

/**
 * Plans one model on one engine: the context, threads and memory that this device affords now, or a
 * refusal with the number that refused it and what would help. Pure: plain data in and out, the same
 * for the same input, no addon.
 *
 * @throws InvalidArgument for a wrong option, a context above the trained one, more sequences than the
 * engine allows, or a device that it does not have.
 */
export function planModel(options: PlanModelOptions): Plan {
  checkOptions(options, '');
  const { hardware, engine } = options;
  const model = checkModel(options.model);
  const device = chooseDevice(engine, options.device);
  const { settings, range } = resolveSettings(options, engine, device, model);
  const budget = memoryBudget(hardware, device);
  const budgetBytes = budget.budgetBytes ?? Infinity;

  const memoryOf = (changed: MemorySettings) =>
    hasShape(model) ? estimateMemory(model, changed) : estimateWeights(model, changed.arch);
  const bytesFor = (contextTokens: number) => memoryOf({ ...settings, contextTokens }).totalBytes;
  const chosen = chooseContext(bytesFor, budgetBytes, range);
  const contextTokens = chosen?.contextTokens ?? contextCandidates(range).at(-1) ?? 1;
  const chosenSettings = { ...settings, contextTokens };
  const memory = memoryOf(chosenSettings);

  const basis: Omit<PlanBasis, 'reasons'> = {
    model: {
      ...(model.name === undefined ? {} : { name: model.name }),
      architecture: model.architecture,
      quantization: model.quantization,
      ...(model.parameterCount === undefined ? {} : { parameterCount: model.parameterCount }),
    },
    engine: engine.name,
    device: device.id,
    contextTokens,
    sequences: settings.sequences,
    keyType: settings.keyType,
    valueType: settings.valueType,
    batchTokens: settings.batchTokens,
    memory,
    budget,
  };
  const formulaNote = !hasShape(model)
    ? [
        'The model does not tell its layers and heads, so its cache and what it computes are not counted.',
      ]
    : engine.name === 'llamacpp'
      ? []
      : [`Memory is reckoned by llama.cpp's formulas; ${engine.name} may need more or less.`];

  if (chosen === undefined && budget.budgetBytes !== undefined) {
    const needed = `${formatBytes(memory.totalBytes)} are needed at ${contextTokens} tokens of context`;
    return {
      ...basis,
      fits: false,
      shortBytes: memory.totalBytes - budget.budgetBytes,
      reasons: [`${needed}, but ${budgetSentence(budget)}`, ...formulaNote],
      suggestions: suggest(hardware, { model, memoryOf }, chosenSettings, {
        ...budget,
        budgetBytes: budget.budgetBytes,
      }),
    };
  }
  const { threads, reasons } = chooseThreads(hardware);
  return {
    ...basis,
    fits: true,
    threads,
    reasons: [
      contextSentence(options.contextTokens ?? 'auto', contextTokens, range, model),
      `It takes ${formatBytes(memory.totalBytes)}; ${budgetSentence(budget)}`,
      ...reasons,
      ...formulaNote,
    ],
  };
}

/** What a matrix of attention scores takes at most on the CPU: the same number stands in the engine. */
const llamaCppMatrixBytes = 128 * 2 ** 20;

function resolveSettings(
  options: PlanModelOptions,
  engine: PlanEngine,
  device: Device,
  model: ModelDescription,
): { settings: MemorySettings; range: ContextRange } {
  const trained = model.trainedContextTokens;
  const asked = options.contextTokens ?? 'auto';
  if (asked !== 'auto' && trained !== undefined && asked > trained) {
    throw wrongValue(
      'contextTokens',
      `must be at most ${trained}, which the model was trained for, but it is ${asked}`,
    );
  }
  const { maxSequences } = engine.capabilities;
  const sequences = options.sequences ?? Math.min(4, maxSequences);
  if (sequences > maxSequences) {
    throw wrongValue(
      'sequences',
      `must be at most ${maxSequences}, which ${engine.name} allows, but it is ${sequences}`,
    );
  }
  return {
    settings: {
      contextTokens: asked === 'auto' ? (trained ?? largestAutoContextTokens) : asked,
      sequences,
      keyType: options.keyType ?? 'f16',
      valueType: options.valueType ?? 'f16',
      batchTokens: options.batchTokens ?? 512,
      kvPool: options.kvPool ?? 'shared',
      outputRows: sequences,
      ...(engine.name === 'llamacpp' &&
        device.kind === 'cpu' && { matrixBytes: llamaCppMatrixBytes }),
      arch: options.hardware.arch,
    },
    range:
      asked === 'auto'
        ? { maxTokens: Math.min(trained ?? Infinity, largestAutoContextTokens) }
        : { maxTokens: asked, minTokens: asked },
  };
}

const modelNumbers = [
  ['parameterCount', 1],
  ['layers', 1],
  ['embeddingLength', 1],
  ['attentionHeads', 0],
  ['kvHeads', 0],
  ['keyLength', 0],
  ['valueLength', 0],
  ['vocabularySize', 0],
  ['trainedContextTokens', 1],
  ['feedForwardLength', 1],
  ['slidingWindowTokens', 1],
] as const;

/** A description may come from a list on the network, so what is no number must not become `NaN` bytes. */
function checkModel(model: ModelDescription): ModelDescription {
  check.string()(model.architecture, 'model.architecture');
  check.string()(model.quantization, 'model.quantization');
  check.integer({ min: 0 })(model.weightBytes, 'model.weightBytes');
  for (const [name, min] of modelNumbers) {
    if (model[name] !== undefined) check.integer({ min })(model[name], `model.${name}`);
  }
  return model;
}

function chooseDevice(engine: PlanEngine, id: string | undefined): Device {
  const device = id === undefined ? engine.devices[0] : engine.devices.find((one) => one.id === id);
  if (device === undefined) {
    const known = engine.devices.map((one) => one.id).join(', ') || 'none';
    throw wrongValue('device', `${engine.name} has no such device; it has ${known}`);
  }
  return device;
}

const places = {
  machine: '',
  cgroup: " in this process's control group",
  device: ' on the device',
} as const;

function budgetSentence(budget: MemoryBudget): string {
  const { budgetBytes, availableBytes, reserveBytes, source, limitedBy } = budget;
  if (budgetBytes === undefined || availableBytes === undefined) {
    return 'how much memory is available could not be read, so nothing was held against it.';
  }
  const available =
    source === 'live'
      ? `${formatBytes(availableBytes)} are available now${places[limitedBy ?? 'machine']}`
      : `what is available could not be read and half of the memory, ${formatBytes(availableBytes)}, is assumed`;
  return `${available}, of which ${formatBytes(reserveBytes)} are left to the rest of the system.`;
}

function contextSentence(
  asked: number | 'auto',
  contextTokens: number,
  range: ContextRange,
  model: ModelDescription,
): string {
  const trained = model.trainedContextTokens;
  if (asked !== 'auto') return `The context of ${contextTokens} tokens that was asked for fits.`;
  const trainedFor = trained === undefined ? '' : `; the model was trained for ${trained}`;
  if (contextTokens === trained) {
    return `The whole context that the model was trained for, ${trained} tokens, fits.`;
  }
  return contextTokens === range.maxTokens
    ? `A context of ${contextTokens} tokens, the most that is taken unasked${trainedFor}.`
    : `A context of ${contextTokens} tokens is the largest that fits${trainedFor}.`;
}
