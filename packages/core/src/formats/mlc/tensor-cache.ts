import * as check from '../../errors/check-options.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import {
  checkContent,
  object,
  fileName,
  list,
  matching,
  optional,
  required,
  shortText,
} from '../fields.js';

/** Names of the index of an MLC folder's weights: today's, and the one until 2025. */
export const mlcTensorCacheFileNames = ['tensor-cache.json', 'ndarray-cache.json'] as const;

/** Number formats of tensors. */
const dtypes = [
  'float32',
  'float16',
  'bfloat16',
  'uint32',
  'int32',
  'uint16',
  'int16',
  'uint8',
  'int8',
] as const;

const size = check.integer({ min: 0, max: 2 ** 48 });

const checkCache = object({
  records: required(
    list(
      object({
        dataPath: required(fileName),
        format: required(check.oneOf('raw-shard')),
        nbytes: required(size),
        md5sum: optional(matching(/^[0-9a-f]{32}$/, 'an md5 in lower-case hexadecimal')),
        records: required(
          list(
            object({
              name: required(shortText),
              shape: required(list(check.integer({ min: 1, max: 2 ** 40 }), 8)),
              dtype: required(check.oneOf(...dtypes)),
              format: required(check.oneOf('raw', 'f32-to-bf16')),
              nbytes: required(size),
              byteOffset: required(size),
            }),
            100_000,
          ),
        ),
      }),
      10_000,
    ),
  ),
});

/** A tensor in a file of weights. */
export interface MlcTensor {
  /** Name of the parameter. */
  readonly name: string;
  /** Extents, the slowest-varying first. */
  readonly shape: readonly number[];
  /** Number format that the model takes it in. */
  readonly dtype: (typeof dtypes)[number];
  /** How it is stored: as it is, or f32 cut to its upper half. */
  readonly format: 'raw' | 'f32-to-bf16';
  /** Bytes as stored. */
  readonly nbytes: number;
  /** Where it begins in its file. */
  readonly byteOffset: number;
}

/** A file of weights. */
export interface MlcShard {
  /** Its name in the folder. */
  readonly dataPath: string;
  /** How tensors lie in it. */
  readonly format: 'raw-shard';
  /** Its size in bytes. */
  readonly nbytes: number;
  /** The md5 of its content in lower-case hexadecimal, where the index tells. */
  readonly md5sum: string | undefined;
  /** The tensors in it. */
  readonly records: readonly MlcTensor[];
}

/** What a tensor cache's index says, checked: no file twice, and every tensor inside its file. */
export interface MlcTensorCache {
  /** Path of the index. */
  readonly path: string;
  /** The files of weights. */
  readonly records: readonly MlcShard[];
}

/**
 * Checks the content of a `tensor-cache.json`.
 *
 * @throws MobillmError `MODEL_INVALID`.
 */
export function parseMlcTensorCache(content: unknown, path: string): MlcTensorCache {
  const cache = { ...checkContent(checkCache, content, path), path };
  const names = new Set<string>();
  for (const { dataPath, nbytes, records } of cache.records) {
    if (names.has(dataPath)) throw unsound(path, `the file "${dataPath}" stands twice`);
    names.add(dataPath);
    const outside = records.find((tensor) => tensor.byteOffset + tensor.nbytes > nbytes);
    if (outside !== undefined) {
      throw unsound(path, `the tensor "${outside.name}" leads outside of "${dataPath}"`);
    }
  }
  return cache;
}

/** Bytes of all shards. */
export function mlcWeightBytes(cache: MlcTensorCache): number {
  return cache.records.reduce((sum, shard) => sum + shard.nbytes, 0);
}

function unsound(path: string, reason: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `${path} is not sound: ${reason}. Compile or download the model again.`,
    { details: { path, reason } },
  );
}
