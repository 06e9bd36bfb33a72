import type { FileReference, ModelReference } from '../reference/model-reference.js';
import { huggingFaceSource } from './hugging-face.js';
import { modelScopeSource } from './modelscope.js';
import { ollamaSource } from './ollama.js';
import type { RemoteModel, SourceContext } from './source.js';
import { urlSource } from './url-source.js';

/** Asks the source of a reference what it means. */
export function resolveReference(
  reference: Exclude<ModelReference, FileReference>,
  context: SourceContext,
): Promise<RemoteModel> {
  switch (reference.source) {
    case 'hugging-face':
      return huggingFaceSource(reference, context);
    case 'ollama':
      return ollamaSource(reference, context);
    case 'modelscope':
      return modelScopeSource(reference, context);
    case 'url':
      return urlSource(reference, context);
  }
}
