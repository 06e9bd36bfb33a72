import type { StorageChoice } from './choose-formats.js';
import type { GroupSensitivity } from './optimize-report.js';
import type { TextQuality } from './text-quality.js';
import type { TextScorer } from './text-scorer.js';
import { bitsPerWeight, formatType, type WeightFormat } from './weight-formats.js';
import { bytesIn, type Matrix, type WeightPlan } from './weight-plan.js';

/** What a tensor can be stored as: first as it is, then in other formats. */
export interface MatrixChoices {
  readonly matrix: Matrix;
  readonly ways: readonly (StorageChoice & { readonly format: WeightFormat | undefined })[];
}

/** What {@link measureSensitivity} found. */
export interface Sensitivity {
  /** One row a group, the most sensitive by saved byte first. */
  readonly groups: readonly GroupSensitivity[];
  /** One row a matrix. */
  readonly matrices: readonly MatrixChoices[];
}

/** Options of {@link measureSensitivity}. */
export interface SensitivityOptions {
  readonly scorer: TextScorer;
  /** The text that groups are tried on; the source has been kept of it. */
  readonly quality: TextQuality;
  readonly matrices: readonly Matrix[];
  readonly formats: readonly WeightFormat[];
  readonly layerBands: number;
  readonly weighted: boolean;
  readonly onProgress: (share: number) => void;
}

/** Matrices that do the same in neighbouring layers. */
interface Group {
  readonly label: string;
  readonly matrices: Matrix[];
}

/**
 * Measures what each group of tensors costs when it alone gets the fewest bits, as the divergence of the
 * text's probabilities, and from that estimates what each of its tensors costs in each format.
 *
 * For small errors divergence grows with their square (its second-order term is the Fisher information
 * of the errors), and errors of different tensors, which are as good as independent, add up. So within
 * a group costs are shared out by the mean square error of the weights, relative and weighted by the use
 * of the columns, which is known of every tensor and format without computing a text.
 */
export async function measureSensitivity(options: SensitivityOptions): Promise<Sensitivity> {
  const groups = groupsOf(options.matrices, options.layerBands);
  const found: GroupSensitivity[] = [];
  const choices: MatrixChoices[] = [];
  for (const [index, group] of groups.entries()) {
    const formats = formatsOf(group, options.formats);
    const [probe, ...others] = formats;
    if (probe !== undefined) {
      const row = await measureGroup(group, probe, others, options);
      found.push(row.sensitivity);
      choices.push(...row.choices);
    }
    options.onProgress((index + 1) / groups.length);
  }
  found.sort((a, b) => b.divergence / b.savedBytes - a.divergence / a.savedBytes);
  return { groups: found, matrices: choices };
}

async function measureGroup(
  { label, matrices }: Group,
  probe: WeightFormat,
  others: readonly WeightFormat[],
  { scorer, quality, weighted }: SensitivityOptions,
): Promise<{ sensitivity: GroupSensitivity; choices: MatrixChoices[] }> {
  const substitute = (format: WeightFormat) =>
    scorer.substitute(
      matrices.map(({ tensor: { name } }) => ({ name, type: format })),
      weighted,
    );
  const errors = new Map([[probe, await substitute(probe)]]);
  const { divergence } = await quality.compare(() => undefined);
  for (const format of others) errors.set(format, await substitute(format));
  await scorer.restore();
  const total = errors.get(probe)?.reduce((sum, error) => sum + error, 0) ?? 0;
  const costOf = (format: WeightFormat, index: number): number => {
    const error = errors.get(format)?.[index] ?? 0;
    return total > 0 ? (Math.max(0, divergence) * error) / total : 0;
  };
  return {
    sensitivity: {
      group: label,
      format: probe,
      divergence,
      savedBytes: matrices.reduce(
        (sum, { tensor }) => sum + tensor.byteLength - bytesIn(tensor, probe),
        0,
      ),
    },
    choices: matrices.map((matrix, index) => ({
      matrix,
      ways: [
        { format: undefined, bytes: matrix.tensor.byteLength, cost: 0 },
        ...Array.from(errors.keys(), (format) => ({
          format,
          bytes: bytesIn(matrix.tensor, format),
          cost: costOf(format, index),
        })),
      ],
    })),
  };
}

/** Formats that make a group's tensors smaller and fit their rows, from the fewest bits. */
function formatsOf({ matrices }: Group, formats: readonly WeightFormat[]): WeightFormat[] {
  const fits = (format: WeightFormat) =>
    matrices.every(({ tensor, use }) => {
      const type = formatType(format);
      return (
        use.columns % type.blockElements === 0 && bitsPerWeight(type) < bitsPerWeight(tensor.type)
      );
    });
  const bits = (format: WeightFormat) => bitsPerWeight(formatType(format));
  return [...new Set(formats)].filter(fits).sort((a, b) => bits(a) - bits(b));
}

/** Groups of one kind, shape and present format, in bands of layers; tensors outside of layers stand alone. */
function groupsOf(matrices: readonly Matrix[], bands: number): Group[] {
  const layerOf = ({ tensor }: Matrix) => /^blk\.(?<layer>\d+)\./u.exec(tensor.name)?.groups;
  const layers = Math.max(0, ...matrices.map((each) => Number(layerOf(each)?.['layer'] ?? -1) + 1));
  const groups = new Map<string, Group>();
  for (const matrix of matrices) {
    const { name, type, shape } = matrix.tensor;
    const layer = layerOf(matrix)?.['layer'];
    let label = name.replace(/\.weight$/u, '');
    if (layer !== undefined) {
      const band = Math.floor((Number(layer) * bands) / layers);
      const first = Math.ceil((band * layers) / bands);
      const last = Math.ceil(((band + 1) * layers) / bands) - 1;
      label = `${label.replace(/^blk\.\d+\./u, '')}, layers ${first}–${last}`;
    }
    const key = `${label} ${type.name} ${shape.join('×')}`;
    const group = groups.get(key);
    if (group) group.matrices.push(matrix);
    else groups.set(key, { label, matrices: [matrix] });
  }
  return [...groups.values()];
}

/** The chosen ways as a plan. */
export function planOf(matrices: readonly MatrixChoices[], chosen: readonly number[]): WeightPlan {
  const plan = new Map<string, WeightFormat>();
  for (const [index, { matrix, ways }] of matrices.entries()) {
    const format = ways[chosen[index] ?? 0]?.format;
    if (format !== undefined) plan.set(matrix.tensor.name, format);
  }
  return plan;
}
