/**
 * Every code a {@link MobillmError} can carry. The union is closed: codes are added in minor
 * releases, never renamed, and no message needs to be parsed.
 *
 * | code | meaning |
 * |---|---|
 * | `ACCESS_DENIED` | A source does not give a model without a licence that was accepted, or without a token. |
 * | `ADDON_INCOMPATIBLE` | The native addon was found but cannot be loaded on this machine. |
 * | `ADDON_NOT_FOUND` | No native addon for this platform and architecture is installed or built. |
 * | `BUSY` | The session or every sequence of the model is in use, or too many calls wait. |
 * | `CLOSED` | The object was closed before the call, or while it ran. |
 * | `CONTEXT_FULL` | The prompt does not fit the context; `details` hold both token counts. |
 * | `FILE_NOT_FOUND` | A file that was named does not exist or cannot be read. |
 * | `GRAMMAR_DEAD_END` | By its grammar an answer can neither go on with a token of the model nor end. |
 * | `GRAMMAR_INVALID` | A grammar cannot be parsed, calls itself from the left, or is too large or too ambiguous. |
 * | `INTEGRITY_FAILED` | Content does not have the sha256 or size that was recorded for it, or changed while it was opened. |
 * | `INVALID_ARGUMENT` | A call was wrong. Carried by a `TypeError` or `RangeError`, see {@link InvalidArgument}. |
 * | `IO_FAILED` | The operating system refused to read or write. |
 * | `KV_MISMATCH` | A KV snapshot or saved session was made by other weights or adapters, or another layout. |
 * | `MODEL_CONFLICT` | The store holds another model under that name. |
 * | `MODEL_INVALID` | A model or adapter file is truncated, damaged, or not of the format that it claims. |
 * | `MODEL_NOT_FOUND` | The store has no model of that name, or a source has no such model, revision or file. |
 * | `MODEL_UNSUPPORTED` | A sound file whose architecture or type this engine cannot run, or an adapter made for another model. |
 * | `NATIVE_FAILURE` | The native library failed without a code of its own; `details.status` holds its number. |
 * | `NETWORK_FAILED` | A server could not be reached, broke off, or answered something else than it was asked for. |
 * | `OUT_OF_MEMORY` | The model and its context do not fit the memory that is available. |
 * | `SCHEMA_UNSUPPORTED` | A JSON Schema has a keyword that cannot be followed; `details` hold `keyword` and `path`, and `tool` where it is of one. |
 * | `STORE_FULL` | The size limit of the store leaves no room, as what is pinned or in use may not go. |
 * | `TEMPLATE_FAILED` | The model's chat template cannot be parsed or rejects the messages. |
 * | `UNSUPPORTED` | This engine, model or platform does not have the capability; see `capabilities`. |
 */
export type ErrorCode =
  | 'ACCESS_DENIED'
  | 'ADDON_INCOMPATIBLE'
  | 'ADDON_NOT_FOUND'
  | 'BUSY'
  | 'CLOSED'
  | 'CONTEXT_FULL'
  | 'FILE_NOT_FOUND'
  | 'GRAMMAR_DEAD_END'
  | 'GRAMMAR_INVALID'
  | 'INTEGRITY_FAILED'
  | 'INVALID_ARGUMENT'
  | 'IO_FAILED'
  | 'KV_MISMATCH'
  | 'MODEL_CONFLICT'
  | 'MODEL_INVALID'
  | 'MODEL_NOT_FOUND'
  | 'MODEL_UNSUPPORTED'
  | 'NATIVE_FAILURE'
  | 'NETWORK_FAILED'
  | 'OUT_OF_MEMORY'
  | 'SCHEMA_UNSUPPORTED'
  | 'STORE_FULL'
  | 'TEMPLATE_FAILED'
  | 'UNSUPPORTED';

/** All codes at run time, to check a code that crossed a process or language border. */
export const errorCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'ACCESS_DENIED',
  'ADDON_INCOMPATIBLE',
  'ADDON_NOT_FOUND',
  'BUSY',
  'CLOSED',
  'CONTEXT_FULL',
  'FILE_NOT_FOUND',
  'GRAMMAR_DEAD_END',
  'GRAMMAR_INVALID',
  'INTEGRITY_FAILED',
  'INVALID_ARGUMENT',
  'IO_FAILED',
  'KV_MISMATCH',
  'MODEL_CONFLICT',
  'MODEL_INVALID',
  'MODEL_NOT_FOUND',
  'MODEL_UNSUPPORTED',
  'NATIVE_FAILURE',
  'NETWORK_FAILED',
  'OUT_OF_MEMORY',
  'SCHEMA_UNSUPPORTED',
  'STORE_FULL',
  'TEMPLATE_FAILED',
  'UNSUPPORTED',
]);
