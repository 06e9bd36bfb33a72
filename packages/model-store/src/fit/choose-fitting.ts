import {
  formatBytes,
  memoryBudget,
  MobillmError,
  planModel,
  probeHardware,
  type FittingPlan,
  type HardwareProfile,
  type ModelDescription,
  type Plan,
  type PlanEngine,
} from '@mobillm/core';
import { baseName } from '../base-name.js';
import { usualOffer, type Offer } from '../sources/choose-files.js';

/** What `auto` plans for. */
export interface FitOptions {
  /** The device; read when it is left out. */
  readonly hardware?: HardwareProfile;
  /** The engine that is to open the model; llama.cpp's on the processor by default. */
  readonly engine?: PlanEngine;
  /** Context in tokens that has to fit; 4096 by default, or what the model was trained for if that is less. */
  readonly contextTokens?: number;
}

/** What `auto` has chosen, and why. */
export interface FittingChoice {
  /** What the choice is called: `Q4_K_M`, or the name of its file. */
  readonly selection: string;
  /** The plan by which it fits. */
  readonly plan: FittingPlan;
  /** One sentence each, most important first. */
  readonly reasons: readonly string[];
}

/** A model that can be chosen. */
export interface Candidate extends Pick<Offer, 'path' | 'quantization'> {
  /** Bytes of all its files, the projector's included. */
  readonly fileBytes: number;
  /** Of these, what is no part of the weights that its header describes: the projector. */
  readonly besideBytes: number;
}

/** An engine as llama.cpp's, for who has not opened one yet. */
const usualEngine: PlanEngine = {
  name: 'llamacpp',
  capabilities: { maxSequences: 256 },
  devices: [{ id: 'cpu', kind: 'cpu', name: 'CPU' }],
};

/** Below this a chat forgets its beginning soon. */
const usefulContextTokens = 4096;

/** Headers are no weights; the largest known have less. */
const largestHeaderBytes = 64 * 2 ** 20;

/** Numbers of 16 bits and more take twice the memory and time of `Q8_0`, and answer no better. */
const unquantized = /^(?:BF16|F16|F32)$/;

/**
 * Chooses the largest of several quantizations that fits a device now with a useful context, and where none
 * does, the smallest with whatever context it then has. Headers are read from the largest down, and only of
 * those that could fit by their size. Where a device does not tell its memory, the usual quantization is taken.
 *
 * @throws MobillmError `OUT_OF_MEMORY` with the numbers of the smallest where none fits.
 */
export async function chooseFitting<C extends Candidate>(
  name: string,
  candidates: readonly C[],
  describe: (candidate: C) => Promise<ModelDescription>,
  fit: FitOptions,
  signal: AbortSignal,
): Promise<{ readonly candidate: C; readonly choice: FittingChoice }> {
  const hardware = fit.hardware ?? (await probeHardware({ signal }));
  const { engine = usualEngine } = fit;
  const quantized = candidates.filter(({ quantization = '' }) => !unquantized.test(quantization));
  const sorted = [...(quantized.length > 0 ? quantized : candidates)].sort(
    (a, b) => b.fileBytes - a.fileBytes || (a.path < b.path ? -1 : 1),
  );
  const [device] = engine.devices;
  const budgetBytes = device && memoryBudget(hardware, device).budgetBytes;
  const plan = (model: ModelDescription, contextTokens: number | 'auto') =>
    planModel({ hardware, engine, model, contextTokens });
  const useful = ({ trainedContextTokens = Infinity }: ModelDescription) =>
    fit.contextTokens ?? Math.min(usefulContextTokens, trainedContextTokens);
  if (budgetBytes === undefined) {
    const candidate = usualOffer(sorted);
    if (candidate === undefined) throw nothingThere(name);
    const model = await described(candidate, describe);
    const found = plan(model, useful(model));
    const first = `${nameOf(candidate)} is what most devices run well.`;
    if (found.fits) return chosen(candidate, found, [first]);
    throw noneFits(name, candidate, sorted.length, found);
  }
  const passedOver: string[] = [];
  let smallest: { readonly candidate: C; readonly model: ModelDescription } | undefined;
  let unusable: MobillmError | undefined;
  for (const candidate of sorted) {
    const isLast = candidate === sorted.at(-1);
    if (!isLast && candidate.fileBytes - largestHeaderBytes > budgetBytes) {
      passedOver.push(
        `${nameOf(candidate)} does not fit: its files have ${formatBytes(candidate.fileBytes)}, and a model may take ${formatBytes(budgetBytes)}.`,
      );
      continue;
    }
    let model: ModelDescription;
    try {
      model = await described(candidate, describe);
    } catch (error) {
      if (!MobillmError.is(error) || !unusableCodes.has(error.code)) throw error;
      unusable = error;
      passedOver.push(`${nameOf(candidate)} cannot be used: ${error.message}`);
      continue;
    }
    const found = plan(model, useful(model));
    if (found.fits) {
      return chosen(
        candidate,
        found,
        [largestSentence(candidate, found, sorted.length)],
        passedOver,
      );
    }
    passedOver.push(`${nameOf(candidate)} does not fit: ${found.reasons[0] ?? ''}`);
    smallest = { candidate, model };
  }
  if (smallest === undefined) throw unusable ?? nothingThere(name);
  const { candidate, model } = smallest;
  const least = plan(model, fit.contextTokens ?? 'auto');
  if (!least.fits) throw noneFits(name, candidate, sorted.length, least);
  const first = largestSentence(candidate, least, sorted.length);
  return chosen(candidate, least, [first], passedOver);
}

/** What a header says that cannot be used; others of the same repository may be sound. */
const unusableCodes: ReadonlySet<string> = new Set(['MODEL_INVALID', 'MODEL_UNSUPPORTED']);

async function described<C extends Candidate>(
  candidate: C,
  describe: (candidate: C) => Promise<ModelDescription>,
): Promise<ModelDescription> {
  const model = await describe(candidate);
  return { ...model, weightBytes: model.weightBytes + candidate.besideBytes };
}

function chosen<C extends Candidate>(
  candidate: C,
  plan: FittingPlan,
  first: readonly string[],
  passedOver: readonly string[] = [],
): { readonly candidate: C; readonly choice: FittingChoice } {
  return {
    candidate,
    choice: {
      selection: nameOf(candidate),
      plan,
      reasons: [...first, ...plan.reasons, ...passedOver],
    },
  };
}

function largestSentence(candidate: Candidate, plan: FittingPlan, count: number): string {
  const context = `with a context of ${plan.contextTokens} tokens`;
  return count === 1
    ? `${nameOf(candidate)} is all there is, and it fits ${context}.`
    : `${nameOf(candidate)} is the largest of ${count} that fits ${context}.`;
}

function nothingThere(name: string): MobillmError {
  return new MobillmError('MODEL_NOT_FOUND', `"${name}" has nothing to choose from.`, {
    details: { name },
  });
}

function noneFits(name: string, candidate: Candidate, count: number, plan: Plan): MobillmError {
  const { memory, budget, contextTokens, reasons } = plan;
  const which = count === 1 ? 'It has only' : `The smallest of its ${count} quantizations is`;
  return new MobillmError(
    'OUT_OF_MEMORY',
    `Nothing of "${name}" fits this device. ${which} ${nameOf(candidate)}: ${reasons[0] ?? ''} Close other programs, or choose a smaller model.`,
    {
      retryable: true,
      details: {
        selection: nameOf(candidate),
        contextTokens,
        neededBytes: memory.totalBytes,
        availableBytes: budget.availableBytes,
      },
    },
  );
}

function nameOf({ quantization, path }: Candidate): string {
  return quantization ?? baseName(path);
}
