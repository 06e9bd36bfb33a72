import type { GgufLayout, GgufTensor } from '@mobillm/core';
import type { NativeWeight } from './native.js';
import {
  bitsPerWeight,
  fileTypeOf,
  fittingFormat,
  formatType,
  type WeightFormat,
} from './weight-formats.js';

/** A tensor that may get another format: its place in the file, and what was learned of its use. */
export interface Matrix {
  readonly tensor: GgufTensor;
  readonly use: NativeWeight;
  /** Whether a token's probabilities come out of it: the output, or an embedding that serves as one. */
  readonly isOutput: boolean;
}

/** Formats by the names of the tensors that get another one. */
export type WeightPlan = ReadonlyMap<string, WeightFormat>;

/**
 * What the library's own quantizer leaves alone, because it is small beside what it decides, or not
 * multiplied with at all.
 */
const kept =
  /(?:ffn_gate_inp|ffn_gate_tid2eid|_norm|position_embd|token_types|altup|laurel|per_layer_model_proj|ssm_conv1d|shortconv|time_mix_|attn_rel_b)/u;

/** The matrices of a file that other formats are tried for, in the order of the file. */
export function matricesOf(layout: GgufLayout, uses: readonly NativeWeight[]): Matrix[] {
  const byName = new Map(uses.map((use) => [use.name, use]));
  const hasOutput = layout.tensors.some(({ name }) => name === 'output.weight');
  return layout.tensors.flatMap((tensor) => {
    const use = byName.get(tensor.name);
    const isFit = use !== undefined && use.columns === tensor.shape[0] && !kept.test(tensor.name);
    const outputName = hasOutput ? 'output.weight' : 'token_embd.weight';
    return isFit ? [{ tensor, use, isOutput: tensor.name === outputName }] : [];
  });
}

/**
 * One format for all matrices that have more bits; the output, on which every token depends, gets no
 * fewer than those of Q6_K. More bits than a matrix has bring nothing back, so it stays as it is.
 */
export function uniformPlan(matrices: readonly Matrix[], format: WeightFormat): WeightPlan {
  const plan = new Map<string, WeightFormat>();
  for (const { tensor, use, isOutput } of matrices) {
    const isSmall = bitsPerWeight(formatType(format)) < bitsPerWeight(formatType('Q6_K'));
    const fit = fittingFormat(isOutput && isSmall ? 'Q6_K' : format, use.columns);
    if (fit === undefined || fit === tensor.type.name) continue;
    if (bitsPerWeight(formatType(fit)) < bitsPerWeight(tensor.type)) plan.set(tensor.name, fit);
  }
  return plan;
}

/** Bytes of a tensor in a format. */
export function bytesIn(tensor: GgufTensor, format: WeightFormat): number {
  const { blockBytes, blockElements } = formatType(format);
  return (tensor.elementCount / blockElements) * blockBytes;
}

/** What a file is once a plan is carried out. */
export interface PlannedFile {
  /** Bytes of all tensors. */
  readonly weightBytes: number;
  /** The same by their formats. */
  readonly bytesByFormat: Readonly<Record<string, number>>;
  /** For `general.file_type`. */
  readonly fileType: number;
}

/** Adds up what a plan makes of a file. */
export function plannedFile(layout: GgufLayout, plan: WeightPlan): PlannedFile {
  const bytesByFormat: Record<string, number> = {};
  let weightBytes = 0;
  for (const tensor of layout.tensors) {
    const format = plan.get(tensor.name);
    const bytes = format === undefined ? tensor.byteLength : bytesIn(tensor, format);
    const name = format ?? tensor.type.name;
    bytesByFormat[name] = (bytesByFormat[name] ?? 0) + bytes;
    weightBytes += bytes;
  }
  return { weightBytes, bytesByFormat, fileType: fileTypeOf(bytesByFormat) };
}

/** Weights of a model, all tensors together. */
export function parametersOf({ tensors }: GgufLayout): number {
  return tensors.reduce((sum, { elementCount }) => sum + elementCount, 0);
}

/** What a report says of a file once a plan is carried out. */
export function sizesOf(layout: GgufLayout, plan: WeightPlan) {
  const { weightBytes, bytesByFormat } = plannedFile(layout, plan);
  return { weightBytes, bytesByFormat, bitsPerWeight: (weightBytes * 8) / parametersOf(layout) };
}
