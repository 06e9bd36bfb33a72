import { MobillmError } from '../errors/mobillm-error.js';

/** An object as `JSON.parse` makes it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is an object and no array. */
export function isRecord(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The error for a `tokenizer.json` that contradicts itself or its format. */
export function invalidTokenizer(what: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `The tokenizer.json of this model is damaged: ${what}. Download or convert the model again.`,
    { details: { what } },
  );
}

/** The error for a sound `tokenizer.json` of a kind that cannot be used. */
export function unsupportedTokenizer(
  what: string,
  details: Readonly<Record<string, string>> = {},
): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `The tokenizer of this model has ${what}, which cannot be used. Convert the model from its GGUF file, or use an engine with a tokenizer of its own.`,
    { details: { what, ...details } },
  );
}
