import { type ModelFiles, type QnnManifest, qnnManifestFileName } from '@mobillm/core';
import { tokenizerConfigFileName, tokenizerFileName } from '../model-folder.js';
import { joinPath } from '../paths.js';

/** The files of a compiled model, the manifest first, as an engine opens them. */
export function compiledFiles(folder: string, manifest: QnnManifest): ModelFiles {
  const [binary] = manifest.binaries;
  return {
    format: 'qnn-context',
    files: [
      { path: joinPath(folder, qnnManifestFileName), role: 'weights' },
      {
        path: joinPath(folder, binary.file),
        role: 'weights',
        fileBytes: binary.bytes,
        sha256: binary.sha256,
      },
      { path: joinPath(folder, tokenizerFileName), role: 'tokenizer' },
      { path: joinPath(folder, tokenizerConfigFileName), role: 'config' },
    ],
  };
}
