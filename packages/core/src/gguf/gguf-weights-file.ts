import { wrongType } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ModelFile, ModelFiles } from '../store/model-files.js';

/**
 * The GGUF file that a model consists of, for a compiler that starts from one.
 *
 * @param files a path, or the files of a stored model
 * @returns its path and, where it is recorded, its sha256
 * @throws MobillmError `MODEL_UNSUPPORTED` for files of another format, `MODEL_INVALID` where none of them
 * are weights.
 * @throws InvalidArgument for what is neither.
 */
export function ggufWeightsFile(
  files: ModelFiles | string,
): Pick<ModelFile, 'path'> & { readonly sha256?: string } {
  if (typeof files === 'string' && files !== '') return { path: files };
  if (!Array.isArray((files as Partial<ModelFiles> | null)?.files)) {
    throw wrongType('files', 'a path or the files of a stored model', files);
  }
  const { format, name } = files as ModelFiles;
  if (format !== 'gguf') {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `This compiler starts from GGUF files, and the model is in the format "${format}". Take its GGUF form.`,
      { details: { format, formats: ['gguf'] } },
    );
  }
  const weights = (files as ModelFiles).files.find(({ role }) => role === 'weights');
  if (weights === undefined) {
    throw new MobillmError('MODEL_INVALID', 'The model has no file of weights. Add it again.', {
      details: { name },
    });
  }
  return { path: weights.path, ...(weights.sha256 !== undefined && { sha256: weights.sha256 }) };
}
