import { baseName } from '../base-name.js';
import { nameOfFile } from '../model-name.js';
import type { UrlReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import { safeFileName } from './file-name.js';
import type { Source } from './source.js';

/** A GGUF file at an address; its size is asked for by the download. */
export const urlSource: Source<UrlReference> = (reference) => {
  const { url, sha256 } = reference;
  const fileName = fileNameOf(baseName(new URL(url).pathname));
  return Promise.resolve({
    name: nameOfFile(fileName),
    format: 'gguf',
    files: [
      {
        fileName,
        role: 'weights',
        ...(sha256 !== undefined && { sha256 }),
        addresses: [{ url }],
      },
    ],
    origin: { reference: formatReference(reference) },
  });
};

/** The end of an address as a name that every file system takes. */
export function fileNameOf(encoded: string): string {
  let name = encoded;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    // A "%" that means itself.
  }
  return safeFileName(name);
}
