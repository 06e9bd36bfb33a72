import { check, fields, MobillmError, parseJsonObject, type ByteSource } from '@mobillm/core';

/** The largest known have a few hundred kibibytes. */
const maxHeaderBytes = 16 * 2 ** 20;
const maxTensors = 200_000;

/** Bits of a number, by the format's own names. */
const dtypeBits: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/** A tensor of a safetensors file. */
export interface SafeTensor {
  readonly name: string;
  /** `BF16`, `F16`, `I32` … */
  readonly dtype: string;
  /** Extents, the slowest-varying first. */
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
}

const { list, object, required } = fields;
const size = check.integer({ min: 0 });
const checkTensor = object({
  dtype: required(check.oneOf(...Object.keys(dtypeBits))),
  shape: required(list(size, 16)),
  data_offsets: required(list(size, 2)),
});

/**
 * Reads the header of a safetensors file and checks every number of it against the file: each tensor is as long
 * as its shape says, and together they fill the file without a gap.
 *
 * @param path names the file in errors
 * @throws MobillmError `MODEL_INVALID`.
 */
export async function readSafetensorsHeader(
  source: ByteSource,
  path: string,
  signal: AbortSignal,
): Promise<readonly SafeTensor[]> {
  const invalid = (what: string) =>
    new MobillmError(
      'MODEL_INVALID',
      `The safetensors file "${path}" cannot be used: ${what}. Download or convert the model again.`,
      { details: { path, what } },
    );
  if (source.byteLength < 10) throw invalid(`it has ${source.byteLength} bytes`);
  const prefix = await source.read(0, 8);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const headerBytes = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const dataBytes = source.byteLength - 8 - headerBytes;
  if (headerBytes < 2 || dataBytes < 0) {
    throw invalid(
      `it claims a header of ${headerBytes} bytes in a file of ${source.byteLength}; it was cut short, or is another file`,
    );
  }
  if (headerBytes > maxHeaderBytes) {
    throw invalid(`its header has ${headerBytes} bytes, and at most ${maxHeaderBytes} are read`);
  }
  const text = await source.read(8, headerBytes);
  signal.throwIfAborted();
  if (text.byteLength < headerBytes) throw invalid('it became shorter while it was read');
  const { __metadata__: _, ...entries } = parseJsonObject(text, path);
  const names = Object.keys(entries);
  if (names.length > maxTensors) throw invalid(`it claims ${names.length} tensors`);
  const placed = names.map((name) => {
    const tensor = fields.checkContent(
      checkTensor,
      entries[name],
      `The tensor "${name}" of ${path}`,
    );
    return { name, ...place(tensor, (what) => invalid(`its tensor "${name}" ${what}`)) };
  });
  placed.sort((a, b) => a.start - b.start || a.end - b.end);
  let end = 0;
  for (const tensor of placed) {
    if (tensor.start !== end) {
      throw invalid(`its tensor "${tensor.name}" begins at ${tensor.start} and not at ${end}`);
    }
    end = tensor.end;
  }
  if (end !== dataBytes) throw invalid(`its tensors have ${end} bytes and the file ${dataBytes}`);
  return placed.map(({ name, dtype, shape, elementCount, start, end: last }) => ({
    name,
    dtype,
    shape,
    elementCount,
    byteLength: last - start,
  }));
}

function place(
  { dtype, shape, data_offsets: offsets }: ReturnType<typeof checkTensor>,
  invalid: (what: string) => MobillmError,
) {
  const [start = 0, end = -1] = offsets;
  const elementCount = shape.reduce((product, extent) => product * extent, 1);
  const bytes = (elementCount * (dtypeBits[dtype] ?? 0)) / 8;
  if (!Number.isSafeInteger(elementCount) || end - start !== bytes) {
    throw invalid(`has ${end - start} bytes where its shape makes ${bytes}`);
  }
  return { dtype, shape, elementCount, start, end };
}
