import { MobillmError } from '../errors/mobillm-error.js';

/** The error for a header that contradicts itself or the format. `offset` is a byte of the file. */
export function damagedGguf(what: string, offset: number): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `This GGUF file is damaged: ${what} (byte ${offset}). Download or convert the model again.`,
    { details: { what, offset } },
  );
}

/** The error for a file that ends before what its header promises. */
export function truncatedGguf(expectedBytes: number, actualBytes: number): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `This GGUF file is truncated: it has ${actualBytes} bytes and needs at least ${expectedBytes}. ` +
      'Its download or copy was cut short; fetch it again.',
    { details: { what: 'truncated', offset: actualBytes, expectedBytes, actualBytes } },
  );
}

/** The error for metadata that is well formed and says something that no model can be. */
export function impossibleMetadata(key: string, what: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `This GGUF file does not describe a usable model: "${key}" ${what}. Use another conversion of the model.`,
    { details: { what, key } },
  );
}

/** The error for tensors that lie closer together than llama.cpp, which maps them, can use. */
export function unsupportedAlignment(alignment: number, multiple: number): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `This GGUF file aligns its tensors to ${alignment} bytes. That is legal, but llama.cpp supports ` +
      `multiples of ${multiple} alone. Convert the model again without "general.alignment".`,
    { details: { key: 'general.alignment', alignment } },
  );
}

/** The error for a sound tokenizer whose texts llama.cpp answers with an assertion. */
export function unsupportedPreTokenizer(name: string): MobillmError {
  const key = 'tokenizer.ggml.pre';
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `This GGUF file splits texts by "${name}" ("${key}"), and llama.cpp ends the process at a text with ` +
      'two spaces in a row then. Use another model.',
    { details: { key, name } },
  );
}
