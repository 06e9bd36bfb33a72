import { nameOfFile } from '../model-name.js';
import type { UrlReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import type { Source } from './source.js';

/** File systems take 255, and some keep a part of that for themselves. */
const maxNameBytes = 140;
/** What Windows takes for a device, with any extension. */
const deviceName = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

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
  const safe = name.replaceAll(/[^\p{L}\p{N}._+-]+/gu, '-').replace(/\.+$/, '');
  const short = endOf(safe).replace(/^[.-]+/, '');
  if (short === '') return 'model.gguf';
  return deviceName.test(short) ? `model-${short}` : short;
}

/** The end of a name, as much as file systems take of letters of any script. */
function endOf(name: string): string {
  const letters = Array.from(name);
  let left = maxNameBytes;
  let at = letters.length;
  while (at > 0) {
    left -= new TextEncoder().encode(letters[at - 1]).byteLength;
    if (left < 0) break;
    at--;
  }
  return letters.slice(at).join('');
}
