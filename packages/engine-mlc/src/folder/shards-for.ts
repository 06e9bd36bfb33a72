import { MobillmError, type MlcTensorCache } from '@mobillm/core';
import type { NativeCachedTensor, NativeShard } from '../addon.js';
import { joinPath } from '../paths.js';
import type { LibraryParameter } from './library-metadata.js';

/**
 * The shards with each tensor's place among the parameters that a library asks for. Tensors that it
 * does not ask for are left out.
 *
 * @throws MobillmError `MODEL_INVALID` where a parameter is missing or has another shape.
 */
export function shardsFor(
  cache: MlcTensorCache,
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

function mismatch({ path }: MlcTensorCache, name: string, what: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `The weights in ${path} do not belong to the model library: its parameter "${name}" ${what}. Compile or download the model again.`,
    { details: { path, parameter: name } },
  );
}
