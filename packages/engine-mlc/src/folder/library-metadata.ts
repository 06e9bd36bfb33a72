import { check, fields, MobillmError, parseJsonObject } from '@mobillm/core';

const { checkContent, list, object, optional, required, shortText } = fields;

/** A parameter that a library's functions take, in their order. */
export interface LibraryParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** What a library says of itself, checked. */
export interface LibraryMetadata {
  readonly parameters: readonly LibraryParameter[];
  /** Most tokens of one step; `undefined` where it does not say. */
  readonly chunkTokens: number | undefined;
}

const checkMetadata = object({
  params: required(
    list(
      object({
        name: required(shortText),
        shape: required(list(check.integer({ min: 1, max: 2 ** 40 }), 8)),
        dtype: required(shortText),
      }),
      100_000,
    ),
  ),
  prefill_chunk_size: optional(check.integer({ min: 1, max: 2 ** 20 })),
  kv_state_kind: optional(shortText),
});

/**
 * Checks what `_metadata` of a library returned.
 *
 * @throws MobillmError `MODEL_INVALID`; `MODEL_UNSUPPORTED` for a model whose state is no KV cache, and
 * for one that takes no parameters.
 */
export function parseLibraryMetadata(text: string, libraryPath: string): LibraryMetadata {
  const where = `The metadata of the model library ${libraryPath}`;
  const metadata = checkContent(checkMetadata, parseJsonObject(text, where), where);
  const kind = metadata.kv_state_kind ?? 'kv_cache';
  if (kind !== 'kv_cache') {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `The model library ${libraryPath} keeps a state of the kind "${kind}", and this engine runs models with a KV cache. Take another model.`,
      { details: { path: libraryPath, kind } },
    );
  }
  if (metadata.params.length === 0) {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `The model library ${libraryPath} takes no parameters, and this engine loads them from the tensor cache. Compile the model without its weights in the library.`,
      { details: { path: libraryPath } },
    );
  }
  return { parameters: metadata.params, chunkTokens: metadata.prefill_chunk_size };
}
