import { formatBytes } from './format-bytes.js';
import type { Plan } from './plan.js';

/** Writes a plan as a few lines for a terminal, without colours and without a line end. */
export function formatPlan(plan: Plan): readonly string[] {
  const { model, memory, budget } = plan;
  const { parameterCount: count } = model;
  const size = count === undefined ? '' : `${formatCount(count)}, `;
  const name = `${model.name ?? model.architecture} (${size}${model.quantization})`;
  const where = `${plan.engine} on ${plan.device}`;
  const items = [
    `weights ${formatBytes(memory.weightsBytes)}`,
    `KV cache ${formatBytes(memory.kvCacheBytes)}`,
    `compute ${formatBytes(memory.computeBytes)}`,
    `other ${formatBytes(memory.overheadBytes)}`,
  ].join(', ');
  const of = budget.budgetBytes === undefined ? '' : ` of ${formatBytes(budget.budgetBytes)}`;
  const memoryLine = `  memory   ${formatBytes(memory.totalBytes)}${of}: ${items}`;
  if (!plan.fits) {
    return [
      `${name} does not fit with ${where}: ${formatBytes(plan.shortBytes)} short`,
      memoryLine,
      ...plan.reasons.map((reason) => `  - ${reason}`),
      ...plan.suggestions.map(({ sentence }) => `  > ${sentence}`),
    ];
  }
  const threads = `${plan.threads} thread${plan.threads === 1 ? '' : 's'}`;
  const sequences = `${plan.sequences} sequence${plan.sequences === 1 ? '' : 's'}`;
  return [
    `${name} fits with ${where}`,
    `  context  ${plan.contextTokens} tokens, ${sequences}, KV ${plan.keyType}/${plan.valueType}, ${threads}`,
    memoryLine,
    ...plan.reasons.map((reason) => `  - ${reason}`),
  ];
}

function formatCount(parameters: number): string {
  return parameters >= 1e9
    ? `${(parameters / 1e9).toFixed(1)} B`
    : `${Math.round(parameters / 1e6)} M`;
}
