import type { EngineCapabilities } from '../engine/capabilities.js';
import { wrongType } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { checkFilePath } from '../session/session-file.js';
import type { ModelFile, ModelFileRole, ModelFiles } from '../store/model-files.js';

/**
 * Takes a path for the weights of the engine's first format, or for another file that is opened by
 * itself, and checks that files from a store are of a format that the engine opens.
 */
export function toModelFiles(
  files: ModelFiles | string,
  capabilities: Pick<EngineCapabilities, 'formats'>,
  role: Extract<ModelFileRole, 'weights' | 'adapter'> = 'weights',
  key = 'files',
): ModelFiles {
  const [defaultFormat] = capabilities.formats;
  if (typeof files === 'string' && files !== '' && defaultFormat !== undefined) {
    return { format: defaultFormat, files: [{ path: checkFilePath(files, key), role }] };
  }
  if (!isObject(files) || !Array.isArray(files.files)) {
    throw wrongType(key, 'a path or the files of a stored model', files);
  }
  if (!capabilities.formats.includes(files.format)) {
    throw new MobillmError(
      'UNSUPPORTED',
      `This engine opens ${capabilities.formats.join(', ')}, and the model is in the format "${files.format}".`,
      { details: { format: files.format, formats: capabilities.formats } },
    );
  }
  if (!files.files.some((file: ModelFile) => file.role === role)) {
    throw wrongType(`${key}.files`, `a list with a file of the role "${role}"`, files.files);
  }
  files.files.forEach(({ path }, index) => checkFilePath(path, `${key}.files[${index}].path`));
  return files;
}

/** Callers that do not use TypeScript pass `null` as well. */
function isObject(files: ModelFiles | string | null): files is ModelFiles {
  return typeof files === 'object' && files !== null;
}
