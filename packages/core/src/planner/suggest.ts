import type { HardwareProfile } from '../hardware/hardware-profile.js';
import type { ModelDescription } from '../store/model-description.js';
import { chooseContext, smallestAutoContextTokens } from './choose-context.js';
import type { MemorySettings } from './estimate-memory.js';
import { formatBytes } from './format-bytes.js';
import { availableForBudget } from './memory-budget.js';
import type { MemoryBudget, PlanMemory, PlanSuggestion } from './plan.js';

/**
 * Bits a weight of Llama 3.1 8B in each mixture, best first, as llama.cpp's documentation of its
 * quantizer lists them. Models with a large vocabulary come out some per cent higher.
 */
const bitsPerWeight: readonly (readonly [quantization: string, bits: number])[] = [
  ['Q8_0', 8.5008],
  ['Q6_K', 6.5633],
  ['Q5_K_M', 5.7036],
  ['Q4_K_M', 4.8944],
  ['Q4_K_S', 4.6672],
  ['Q3_K_M', 3.996],
  ['Q3_K_S', 3.6429],
];

/** A model that did not fit, and what it takes. */
export interface RefusedModel {
  readonly model: ModelDescription;
  readonly memoryOf: (settings: MemorySettings) => PlanMemory;
}

/** What would make a refused model fit, the least change first. */
export function suggest(
  hardware: HardwareProfile,
  { model, memoryOf }: RefusedModel,
  settings: MemorySettings,
  budget: MemoryBudget & { readonly budgetBytes: number },
): readonly PlanSuggestion[] {
  const { budgetBytes } = budget;
  const suggestions: PlanSuggestion[] = [];
  const bytesWith = (change: Partial<MemorySettings>) =>
    memoryOf({ ...settings, ...change }).totalBytes;
  const needBytes = bytesWith({});

  const context = chooseContext((contextTokens) => bytesWith({ contextTokens }), budgetBytes, {
    maxTokens: settings.contextTokens,
    minTokens: Math.min(smallestAutoContextTokens, settings.contextTokens),
  });
  if (context !== undefined) {
    suggestions.push({
      kind: 'context',
      contextTokens: context.contextTokens,
      sentence: `A context of ${context.contextTokens} tokens fits: it takes ${formatBytes(context.totalBytes)}.`,
    });
  }
  if (settings.sequences > 1 && bytesWith({ sequences: 1, outputRows: 1 }) <= budgetBytes) {
    suggestions.push({
      kind: 'sequences',
      sequences: 1,
      sentence: `One sequence instead of ${settings.sequences} fits.`,
    });
  }

  const freeing = memoryToFree(hardware, needBytes, budget);
  if (freeing !== undefined) suggestions.push(freeing);

  const fixedBytes = needBytes - model.weightBytes;
  const { parameterCount } = model;
  // Without the number of weights nothing tells how small another quantization would be.
  const currentBits = (model.weightBytes * 8) / (parameterCount ?? Infinity);
  const smaller = bitsPerWeight
    .filter(([, bits]) => bits < currentBits)
    .map(([quantization, bits]) => ({
      quantization,
      weightBytes: Math.ceil(((parameterCount ?? 0) * bits) / 8),
    }))
    .find(({ weightBytes }) => fixedBytes + weightBytes <= budgetBytes);
  if (smaller !== undefined) {
    suggestions.push({
      kind: 'quantization',
      ...smaller,
      sentence: `The same model as ${smaller.quantization} fits: about ${formatBytes(smaller.weightBytes)} of weights instead of ${formatBytes(model.weightBytes)}.`,
    });
  } else if (context === undefined && budgetBytes > fixedBytes) {
    const weightBytes = budgetBytes - fixedBytes;
    suggestions.push({
      kind: 'smaller-model',
      weightBytes,
      sentence: `A model with at most about ${formatBytes(weightBytes)} of weights fits here.`,
    });
  }
  return suggestions;
}

/** Only where the machine, or the limit that counts, is large enough; a device's own memory is not ours to judge. */
function memoryToFree(
  hardware: HardwareProfile,
  needBytes: number,
  budget: MemoryBudget & { readonly budgetBytes: number },
): PlanSuggestion | undefined {
  const { memory } = hardware;
  const { cgroup } = memory;
  const ceilings = [memory.totalBytes, cgroup?.limitBytes, cgroup?.highBytes];
  const ceiling = Math.min(...ceilings.map((limit) => limit ?? Infinity));
  if (budget.source !== 'live' || budget.limitedBy === 'device') return undefined;
  const availableBytes = availableForBudget(needBytes, hardware.os);
  if (availableBytes > ceiling) return undefined;
  const bytes = availableBytes - (budget.availableBytes ?? 0);
  return {
    kind: 'free-memory',
    bytes,
    sentence:
      budget.limitedBy === 'cgroup'
        ? `It fits once ${formatBytes(bytes)} more are free in this process's control group: end other programs in it or raise its limit.`
        : `It fits once ${formatBytes(bytes)} more are free: end other programs.`,
  };
}
