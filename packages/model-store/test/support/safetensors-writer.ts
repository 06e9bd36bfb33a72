/** A tensor to write. */
export interface WrittenTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A tensor of some shape whose bytes say nothing. */
export function tensor(name: string, dtype: 'F32' | 'BF16' | 'I32', shape: readonly number[]) {
  const count = shape.reduce((product, extent) => product * extent, dtype === 'BF16' ? 2 : 4);
  const data = new Uint8Array(count).map((_, index) => (index * 7 + name.length) % 251);
  return { name, dtype, shape, data };
}

/** A safetensors file: the length of its header, the header as JSON, and the data of all tensors. */
export function writeSafetensors(
  tensors: readonly WrittenTensor[],
  change: (header: Record<string, unknown>) => unknown = (header) => header,
): Uint8Array {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  return withHeader(
    JSON.stringify(change(header)),
    tensors.map(({ data }) => data),
  );
}

/** A file with a header of one's own; `claimed` is the length that it says the header has. */
export function withHeader(
  text: string,
  data: readonly Uint8Array[],
  claimed?: number | bigint,
): Uint8Array {
  const header = new TextEncoder().encode(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(claimed ?? header.byteLength), true);
  return Buffer.concat([length, header, ...data]);
}
