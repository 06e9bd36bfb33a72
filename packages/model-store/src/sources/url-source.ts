import { nameOfFile } from '../model-name.js';
import type { UrlReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import type { Source } from './source.js';

/** A GGUF file at an address; its size is asked for by the download. */
export const urlSource: Source<UrlReference> = (reference) => {
  const { url, sha256 } = reference;
  const last = new URL(url).pathname.split('/').pop() ?? '';
  const fileName = fileNameOf(last);
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
  const safe = name.replaceAll(/[^\p{L}\p{N}._+-]+/gu, '-').replaceAll(/^[.-]+|[.]+$/g, '');
  const short = safe.slice(-100).replace(/^[\udc00-\udfff]/, '');
  return short === '' ? 'model.gguf' : short;
}
