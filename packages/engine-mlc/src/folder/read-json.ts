import { parseJsonObject, readModelFile } from '@mobillm/core';

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
  return parseJsonObject(await readModelFile(path, { maxBytes, ...(signal && { signal }) }), path);
}
