import { check, MobillmError, readModelFile } from '@mobillm/core';

/**
 * Reads a JSON object of a model's folder, of at most `maxBytes`.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`, `MODEL_INVALID`.
 */
export async function readJsonObject(
  path: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readModelFile(path, { maxBytes, ...(signal && { signal }) });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(path, 'it is no UTF-8 text', error);
  }
  return parseJsonObject(text, path);
}

/** Parses JSON that has to be an object; `path` says where it is from. */
export function parseJsonObject(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    return check.record(JSON.parse(text), path);
  } catch (error) {
    throw invalid(path, 'it holds no JSON object', error);
  }
}

function invalid(path: string, reason: string, cause: unknown): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `${path} is not sound: ${reason}. Compile or download the model again.`,
    { details: { path, reason }, cause },
  );
}
