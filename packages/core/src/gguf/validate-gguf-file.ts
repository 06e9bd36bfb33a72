import { string } from '../errors/check-options.js';
import { withModelFile } from '../platform/model-file.js';
import type { GgufLayout } from './gguf-layout.js';
import { checkValidateOptions, validateGguf, type ValidateGgufOptions } from './validate-gguf.js';

const checkPath = string({ nonEmpty: true });

/**
 * {@link validateGguf} for a file of this device.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`; `FILE_NOT_FOUND` when the file is missing,
 * a folder, or may not be read; `UNSUPPORTED` where the platform has no file system of its own.
 * @throws InvalidArgument for a path that is no text or empty, and for an unknown option.
 */
export async function validateGgufFile(
  path: string,
  options?: ValidateGgufOptions,
): Promise<GgufLayout> {
  const file = checkPath(path, 'path');
  const checked = checkValidateOptions(options, 'options');
  return withModelFile(file, (source) => validateGguf(source, checked));
}
