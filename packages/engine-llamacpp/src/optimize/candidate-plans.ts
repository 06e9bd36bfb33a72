import { type GgufLayout, wrongValue } from '@mobillm/core';
import { chooseFormats } from './choose-formats.js';
import { measureSensitivity, planOf, type Sensitivity } from './measure-sensitivity.js';
import type { ResolvedOptimizeOptions, SizeBudget } from './optimize-options.js';
import { TextQuality } from './text-quality.js';
import type { TextScorer } from './text-scorer.js';
import type { TextWindow } from './text-windows.js';
import type { WeightFormat } from './weight-formats.js';
import {
  type Matrix,
  matricesOf,
  parametersOf,
  sizesOf,
  uniformPlan,
  type WeightPlan,
} from './weight-plan.js';

/** What candidates are made of. */
export interface CandidatePlansOptions {
  /** Holds the source, and has learned from the text. */
  readonly scorer: TextScorer;
  readonly layout: GgufLayout;
  readonly matrices: readonly Matrix[];
  /** The part of the text that is learned from. */
  readonly learned: readonly TextWindow[];
  /** First place of the scorer that nothing is kept at. */
  readonly firstPlace: number;
  readonly options: ResolvedOptimizeOptions;
  readonly onProgress: (share: number) => void;
}

/** Candidates by name, and what was measured to make them. */
export interface CandidatePlans {
  readonly plans: readonly (readonly [name: string, plan: WeightPlan])[];
  readonly sensitivity?: Sensitivity;
}

/**
 * What is to be tried: uniform files, and for a budget one of mixed formats before those that fit it.
 *
 * @throws InvalidArgument for a budget that no choice meets.
 */
export async function candidatePlans(all: CandidatePlansOptions): Promise<CandidatePlans> {
  const { layout, matrices, options, scorer } = all;
  const { target, formats } = options;
  if (typeof target === 'string') {
    return { plans: uniformPlans(matrices, target === 'auto' ? formats : [target]) };
  }
  const budget = weightBudget(layout, target);
  if (sizesOf(layout, new Map()).weightBytes <= budget) return { plans: [] };
  const sample = all.learned.slice(-1).map(({ tokens: window }) => {
    const tokens = window.subarray(-Math.min(window.length, options.sensitivityTokens + 1));
    return { tokens, length: tokens.length, first: 1 };
  });
  const quality = new TextQuality(scorer, sample, all.firstPlace);
  await quality.keep(() => undefined);
  const sensitivity = await measureSensitivity({
    ...{ scorer, quality, matrices, formats },
    layerBands: options.layerBands,
    weighted: options.importance === 'measured',
    onProgress: all.onProgress,
  });
  const fixed = fixedBytes(layout, sensitivity);
  const chosen = chooseFormats(
    sensitivity.matrices.map(({ ways }) => ways),
    budget - fixed,
  );
  if (chosen === undefined) throw budgetTooSmall(layout, sensitivity, formats);
  const uniform = uniformPlans(matrices, formats).filter(
    ([, plan]) => sizesOf(layout, plan).weightBytes <= budget,
  );
  return { plans: [['mixed', planOf(sensitivity.matrices, chosen)], ...uniform], sensitivity };
}

/**
 * About how many bytes files take while the work goes on, told by the source's header alone. Without a
 * budget, the best one so far lies beside the one that is tried.
 */
export function workBytes(
  layout: GgufLayout,
  { target, formats }: Pick<ResolvedOptimizeOptions, 'target' | 'formats'>,
): number {
  const own = sizesOf(layout, new Map()).weightBytes;
  if (typeof target === 'object') {
    const budget = weightBudget(layout, target);
    return own <= budget ? 0 : layout.dataOffset + Math.max(0, budget);
  }
  // What the model uses as a matrix is known when it is open; what has two dimensions mostly is one.
  const matrices = matricesOf(
    layout,
    layout.tensors
      .filter(({ shape }) => shape.length === 2)
      .map(({ name, shape: [columns = 0, rows = 0] }) => ({
        ...{ name, columns, rows },
        ...{ lookedUp: false, multiplied: true, importance: new Float32Array() },
      })),
  );
  return uniformPlans(matrices, target === 'auto' ? formats : [target])
    .map(([, plan]) => layout.dataOffset + sizesOf(layout, plan).weightBytes)
    .sort((a, b) => b - a)
    .slice(0, 2)
    .reduce((sum, bytes) => sum + bytes, 0);
}

function uniformPlans(
  matrices: readonly Matrix[],
  formats: readonly WeightFormat[],
): (readonly [string, WeightPlan])[] {
  const plans = new Map<string, readonly [string, WeightPlan]>();
  for (const format of formats) {
    const plan = uniformPlan(matrices, format);
    // Where rows do not fit, two names can mean the same file.
    const key = JSON.stringify([...plan]);
    if (plan.size > 0 && !plans.has(key)) plans.set(key, [format, plan]);
  }
  return [...plans.values()];
}

/** What all tensors may have together. */
function weightBudget(layout: GgufLayout, target: SizeBudget): number {
  if ('bitsPerWeight' in target) return (target.bitsPerWeight * parametersOf(layout)) / 8;
  const { dataOffset, tensors, alignment } = layout;
  return target.fileBytes - dataOffset - (tensors.length + 1) * (alignment - 1) - addedEntryBytes;
}

/** Most that the entries of the metadata take which a new file may have more than its source. */
const addedEntryBytes = 128;

/** Bytes of tensors that stay as they are. */
function fixedBytes(layout: GgufLayout, { matrices }: Sensitivity): number {
  const open = matrices.reduce((sum, { matrix }) => sum + matrix.tensor.byteLength, 0);
  return sizesOf(layout, new Map()).weightBytes - open;
}

function budgetTooSmall(
  layout: GgufLayout,
  sensitivity: Sensitivity,
  formats: readonly WeightFormat[],
): Error {
  const least = sensitivity.matrices.reduce(
    (sum, { ways }) => sum + Math.min(...ways.map(({ bytes }) => bytes)),
    fixedBytes(layout, sensitivity),
  );
  const bits = ((least * 8) / parametersOf(layout)).toFixed(2);
  return wrongValue(
    'target',
    `asks for less than the ${least} bytes of weights (${bits} bits a weight) that ${formats.join(', ')} can make of this model`,
  );
}
