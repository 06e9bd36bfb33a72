import { ggmlTypes, type GgmlType } from '@mobillm/core';

/** Number formats that {@link optimizeModel} writes weights in. */
export type WeightFormat =
  | 'Q8_0'
  | 'Q6_K'
  | 'Q5_K'
  | 'Q5_1'
  | 'Q5_0'
  | 'Q4_K'
  | 'Q4_1'
  | 'IQ4_NL'
  | 'Q4_0'
  | 'Q3_K'
  | 'Q2_K';

/** All of them, with the number that `general.file_type` has for a file mostly of that format. */
const fileTypes: Readonly<Record<WeightFormat, number>> = {
  Q8_0: 7,
  Q6_K: 18,
  Q5_K: 16,
  Q5_1: 9,
  Q5_0: 8,
  Q4_K: 14,
  Q4_1: 3,
  IQ4_NL: 25,
  Q4_0: 2,
  Q3_K: 11,
  Q2_K: 10,
};

/** Every {@link WeightFormat}, from many bits a weight to few. */
export const weightFormats = Object.keys(fileTypes) as readonly WeightFormat[];

/** Where rows are no whole blocks of 256 weights, as the library's own quantizer does. */
const fallbacks: Partial<Readonly<Record<WeightFormat, WeightFormat>>> = {
  Q6_K: 'Q8_0',
  Q5_K: 'Q5_1',
  Q4_K: 'Q5_0',
  Q3_K: 'Q4_0',
  Q2_K: 'Q4_0',
};

const typesByName = new Map([...ggmlTypes.values()].map((type) => [type.name, type]));

/** Blocks and bytes of a format. */
export function formatType(format: WeightFormat): GgmlType {
  const type = typesByName.get(format);
  if (type === undefined) throw new Error(`There is no number format ${format}.`);
  return type;
}

/** Bits a weight. */
export function bitsPerWeight({ blockBytes, blockElements }: GgmlType): number {
  return (blockBytes * 8) / blockElements;
}

/** A format, or what stands in for it where rows of `columns` do not fit it; none where nothing does. */
export function fittingFormat(format: WeightFormat, columns: number): WeightFormat | undefined {
  if (columns % formatType(format).blockElements === 0) return format;
  const fallback = fallbacks[format];
  return fallback && fittingFormat(fallback, columns);
}

/** What `general.file_type` of a file says: the format that most bytes of its weights have. */
export function fileTypeOf(bytesByType: Readonly<Record<string, number>>): number {
  const known = weightFormats.filter((format) => (bytesByType[format] ?? 0) > 0);
  const [most] = known.sort((a, b) => (bytesByType[b] ?? 0) - (bytesByType[a] ?? 0));
  return most === undefined ? 0 : fileTypes[most];
}
