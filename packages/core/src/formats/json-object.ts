import * as check from '../errors/check-options.js';
import { MobillmError } from '../errors/mobillm-error.js';

/**
 * Parses JSON that has to be an object.
 *
 * @param content its text, or the bytes of that in UTF-8
 * @param path where it is from, for the error
 * @throws MobillmError `MODEL_INVALID`.
 */
export function parseJsonObject(
  content: string | Uint8Array,
  path: string,
): Readonly<Record<string, unknown>> {
  let text = content;
  if (typeof text !== 'string') {
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(text);
    } catch (error) {
      throw invalid(path, 'it is no UTF-8 text', error);
    }
  }
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
