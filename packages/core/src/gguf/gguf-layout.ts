import type { GgmlType } from './ggml-types.js';

/** Type of a metadata value, as the GGUF specification names it. */
export type GgufValueType =
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'float32'
  | 'bool'
  | 'string'
  | 'array'
  | 'uint64'
  | 'int64'
  | 'float64';

/** A single metadata value; 64-bit integers are a bigint only beyond the safe integers. */
export type GgufScalar = number | bigint | boolean | string;

/** One metadata entry of a header: where it lies and, when it is small, what it says. */
export interface GgufMetadataEntry {
  /** Key: printable ASCII, unique in its file. */
  readonly key: string;
  /** Type of the value. */
  readonly type: GgufValueType;
  /** Type of the elements, for an array. */
  readonly elementType?: Exclude<GgufValueType, 'array'>;
  /** Number of elements, for an array. */
  readonly elementCount?: number;
  /** The value; missing for arrays and for strings of more than 1 MiB. */
  readonly value?: GgufScalar;
  /** The elements of an array of numbers or booleans of at most 1024 elements. */
  readonly elements?: readonly (number | bigint | boolean)[];
  /** Byte at which the whole entry (key, type, value) starts in the file. */
  readonly entryOffset: number;
  /** Byte at which the value starts, after its type. */
  readonly valueOffset: number;
  /** Byte after the value. */
  readonly endOffset: number;
}

/** One tensor as the header describes it. Its bytes are known to lie inside the file. */
export interface GgufTensor {
  /** Name, unique in its file, at most 63 bytes. */
  readonly name: string;
  /** How its numbers are stored. */
  readonly type: GgmlType;
  /** Extent of each dimension, the fastest-varying first; at most four, each at least 1. */
  readonly shape: readonly number[];
  /** Number of weights: the product of `shape`. */
  readonly elementCount: number;
  /** Byte of the file at which its data starts. */
  readonly offset: number;
  /** Bytes of its data. */
  readonly byteLength: number;
}

/** A GGUF header whose every count, length and offset has been checked against the file. */
export interface GgufLayout {
  /** Version of the format. */
  readonly version: 2 | 3;
  /** Alignment of tensor data in bytes, a power of two. */
  readonly alignment: number;
  /** Size of the file in bytes. */
  readonly byteLength: number;
  /** Metadata by key, in the order of the file. */
  readonly metadata: ReadonlyMap<string, GgufMetadataEntry>;
  /** Byte at which the descriptions of the tensors start. */
  readonly tensorInfoOffset: number;
  /** Byte after the descriptions of the tensors. */
  readonly headerEndOffset: number;
  /** Byte at which tensor data starts; a multiple of `alignment`. */
  readonly dataOffset: number;
  /** Tensors in the order of the file; their data follows in the same order without gaps. */
  readonly tensors: readonly GgufTensor[];
}
