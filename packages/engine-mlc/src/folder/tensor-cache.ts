import { check, MobillmError } from '@mobillm/core';
import type { NativeCachedTensor, NativeShard } from '../addon.js';
import { joinPath } from '../paths.js';
import {
  checkContent,
  fields,
  fileName,
  list,
  matching,
  optional,
  required,
  shortText,
} from './fields.js';
import type { LibraryParameter } from './library-metadata.js';

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

const checkCache = fields({
  records: required(
    list(
      fields({
        dataPath: required(fileName),
        format: required(check.oneOf('raw-shard')),
        nbytes: required(size),
        md5sum: optional(matching(/^[0-9a-f]{32}$/, 'an md5 in lower-case hexadecimal')),
        records: required(
          list(
            fields({
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

/** What a tensor cache's index says, checked: sizes and names, not yet whether they fit each other. */
export type TensorCache = ReturnType<typeof checkCache> & { readonly path: string };

/**
 * Checks the content of a `tensor-cache.json`.
 *
 * @throws MobillmError `MODEL_INVALID`.
 */
export function parseTensorCache(content: unknown, path: string): TensorCache {
  return { ...checkContent(checkCache, content, path), path };
}

/** Bytes of all shards. */
export function weightBytes(cache: TensorCache): number {
  return cache.records.reduce((sum, shard) => sum + shard.nbytes, 0);
}

/**
 * The shards with each tensor's place among the parameters that a library asks for. Tensors that it
 * does not ask for are left out.
 *
 * @throws MobillmError `MODEL_INVALID` where a parameter is missing or has another shape.
 */
export function shardsFor(
  cache: TensorCache,
  folder: string,
  parameters: readonly LibraryParameter[],
): readonly NativeShard[] {
  const places = new Map(parameters.map((parameter, index) => [parameter.name, index]));
  const found = new Set<number>();
  const shards = cache.records.map((shard): NativeShard => {
    const tensors: NativeCachedTensor[] = [];
    for (const record of shard.records) {
      const place = places.get(record.name);
      const parameter = place === undefined ? undefined : parameters[place];
      if (place === undefined || parameter === undefined) continue;
      if (
        parameter.dtype !== record.dtype ||
        parameter.shape.join() !== record.shape.join() ||
        found.has(place)
      ) {
        throw mismatch(cache, record.name, 'is there twice, or has another shape or number format');
      }
      found.add(place);
      tensors.push({
        parameter: place,
        offset: record.byteOffset,
        bytes: record.nbytes,
        shape: record.shape,
        dtype: record.dtype,
        fromBf16: record.format === 'f32-to-bf16' && record.dtype === 'float32',
      });
    }
    return {
      path: joinPath(folder, shard.dataPath),
      bytes: shard.nbytes,
      md5: shard.md5sum ?? '',
      tensors: tensors.sort((a, b) => a.offset - b.offset),
    };
  });
  const missing = parameters.find((_, index) => !found.has(index));
  if (missing !== undefined) throw mismatch(cache, missing.name, 'is missing');
  return shards.filter(({ tensors }) => tensors.length > 0);
}

function mismatch({ path }: TensorCache, name: string, what: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `The weights in ${path} do not belong to the model library: its parameter "${name}" ${what}. Compile or download the model again.`,
    { details: { path, parameter: name } },
  );
}
