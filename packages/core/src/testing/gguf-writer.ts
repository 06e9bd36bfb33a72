import { ggmlTypes, type GgmlType } from '../gguf/ggml-types.js';
import type { GgufValueType } from '../gguf/gguf-layout.js';

/** Types of a value that is not a list. */
export type ScalarType = Exclude<GgufValueType, 'array'>;

/**
 * A metadata value to write. Strings, booleans and arrays of strings say their own type; a number
 * says it by name, since a reader that expects `uint32` does not take `uint64`.
 */
export type GgufWriterValue =
  | string
  | boolean
  | readonly string[]
  | { readonly type: ScalarType; readonly value: number | bigint | boolean | string }
  | {
      readonly type: 'array';
      readonly elementType: ScalarType;
      readonly value: readonly (number | bigint | boolean | string)[];
    };

/** A tensor to write. */
export interface GgufWriterTensor {
  /** Name. */
  readonly name: string;
  /** Number format by its name: `F32`, `Q8_0`. */
  readonly type: string;
  /** Extents, the fastest-varying first. */
  readonly shape: readonly number[];
  /** The data as stored; its length is the writer's caller's to get right (or wrong, on purpose). */
  readonly data: Uint8Array;
}

/** What {@link writeGguf} writes. */
export interface GgufWriterInput {
  /** Version of the format; 3 by default. */
  readonly version?: number;
  /** Alignment of tensor data in bytes; 32 by default. Written as metadata when it is given. */
  readonly alignment?: number;
  /** Metadata in order; entries whose value is `undefined` are left out. */
  readonly metadata?: Readonly<Record<string, GgufWriterValue | undefined>>;
  /** Tensors in order. */
  readonly tensors?: readonly GgufWriterTensor[];
}

const typeNumbers: Readonly<Record<GgufValueType, number>> = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
};

const typesByName = new Map<string, GgmlType>(
  [...ggmlTypes.values()].map((type) => [type.name, type]),
);

/** Writes a GGUF file in memory, for tests. Checks nothing, so that it can write broken ones too. */
export function writeGguf(input: GgufWriterInput): Uint8Array {
  const { version = 3, alignment, tensors = [] } = input;
  const given: [string, GgufWriterValue | undefined][] = [
    [
      'general.alignment',
      alignment === undefined ? undefined : { type: 'uint32', value: alignment },
    ],
    ...Object.entries(input.metadata ?? {}),
  ];
  const metadata = given.filter(
    (entry): entry is [string, GgufWriterValue] => entry[1] !== undefined,
  );
  const align = alignment ?? 32;
  const writer = new Writer();
  writer.scalar('uint32', 0x46554747);
  writer.scalar('uint32', version);
  writer.scalar('uint64', tensors.length);
  writer.scalar('uint64', metadata.length);
  for (const [key, value] of metadata) {
    writer.scalar('string', key);
    writer.value(value);
  }
  let offset = 0;
  for (const { name, type, shape, data } of tensors) {
    writer.scalar('string', name);
    writer.scalar('uint32', shape.length);
    for (const extent of shape) writer.scalar('uint64', extent);
    writer.scalar('uint32', typesByName.get(type)?.id ?? Number(type));
    writer.scalar('uint64', offset);
    offset += Math.ceil(data.byteLength / align) * align;
  }
  for (const { data } of tensors) {
    writer.pad(align);
    writer.bytes(data);
  }
  return writer.result();
}

class Writer {
  private buffer = new Uint8Array(65_536);
  private length = 0;

  scalar(type: ScalarType, value: number | bigint | boolean | string): void {
    if (type === 'string') {
      const bytes = new TextEncoder().encode(String(value));
      this.scalar('uint64', bytes.length);
      this.bytes(bytes);
      return;
    }
    const view = new DataView(new ArrayBuffer(8));
    const number = Number(value);
    const widths = {
      uint8: () => (view.setUint8(0, number), 1),
      int8: () => (view.setInt8(0, number), 1),
      bool: () => (view.setUint8(0, number), 1),
      uint16: () => (view.setUint16(0, number, true), 2),
      int16: () => (view.setInt16(0, number, true), 2),
      uint32: () => (view.setUint32(0, number, true), 4),
      int32: () => (view.setInt32(0, number, true), 4),
      float32: () => (view.setFloat32(0, number, true), 4),
      float64: () => (view.setFloat64(0, number, true), 8),
      uint64: () => (view.setBigUint64(0, BigInt(value), true), 8),
      int64: () => (view.setBigInt64(0, BigInt(value), true), 8),
    };
    this.bytes(new Uint8Array(view.buffer, 0, widths[type]()));
  }

  value(value: GgufWriterValue): void {
    if (typeof value === 'string') this.value({ type: 'string', value });
    else if (typeof value === 'boolean') this.value({ type: 'bool', value });
    else if (!('type' in value)) this.value({ type: 'array', elementType: 'string', value });
    else if (value.type === 'array') {
      this.scalar('uint32', typeNumbers.array);
      this.scalar('uint32', typeNumbers[value.elementType]);
      this.scalar('uint64', value.value.length);
      for (const element of value.value) this.scalar(value.elementType, element);
    } else {
      this.scalar('uint32', typeNumbers[value.type]);
      this.scalar(value.type, value.value);
    }
  }

  bytes(bytes: Uint8Array): void {
    const needed = this.length + bytes.byteLength;
    if (needed > this.buffer.byteLength) {
      const grown = new Uint8Array(Math.max(needed, this.buffer.byteLength * 2));
      grown.set(this.buffer);
      this.buffer = grown;
    }
    this.buffer.set(bytes, this.length);
    this.length = needed;
  }

  pad(alignment: number): void {
    this.bytes(new Uint8Array((alignment - (this.length % alignment)) % alignment));
  }

  result(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}
