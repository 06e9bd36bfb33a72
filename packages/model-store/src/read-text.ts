import type { FileSystem } from './file-system/file-system.js';

/** Tokens, pointers and settings are short. */
const shortBytes = 2 ** 16;

/** A short text file; `undefined` where there is none, it is no file, or it is longer than that. */
export async function readText(
  fs: FileSystem,
  path: string,
  maxBytes = shortBytes,
): Promise<string | undefined> {
  try {
    const facts = await fs.stat(path);
    if (facts?.kind !== 'file' || facts.fileBytes > maxBytes) return undefined;
    const source = await fs.open(path);
    try {
      return new TextDecoder().decode(await source.read(0, maxBytes));
    } finally {
      await source.close();
    }
  } catch {
    return undefined;
  }
}
