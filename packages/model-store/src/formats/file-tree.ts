import { MobillmError, parseJsonObject, type ByteSource } from '@mobillm/core';
import { fileNotFound } from '../store-errors.js';

/** Files under a folder of this device, or of a repository that is read over the network. */
export interface FileTree {
  /** What it is called in sentences: its path, or what names the repository. */
  readonly where: string;
  /** Names of the files that lie in it, without those in folders below. */
  names(): Promise<readonly string[]>;
  /** Size of a file in bytes; `undefined` where there is none. */
  sizeOf(path: string): Promise<number | undefined>;
  /** Opens a file to read its beginning. */
  open(path: string, signal: AbortSignal): Promise<ByteSource>;
}

/** A file that belongs to a model, with what its index tells of it. */
export interface TreeFile {
  /** Path in the tree, with `/` between names. */
  readonly path: string;
  readonly fileBytes: number;
}

/** Folders in folders; more than any model has. */
const maxDepth = 8;
const maxNameLength = 255;

/**
 * Checks a path that an index names: one that stays in the folder, and that every system can write.
 *
 * @param named says who names it, for the error
 * @throws MobillmError `MODEL_INVALID`.
 */
export function checkTreePath(path: string, named: string): string {
  const names = path.replace(/^(?:\.\/)+/, '').split('/');
  const bad = (name: string) =>
    name === '' ||
    name === '.' ||
    name === '..' ||
    name.length > maxNameLength ||
    // eslint-disable-next-line no-control-regex -- control characters are what is refused
    /[\u0000-\u001f\u007f\\:*?"<>|\ud800-\udfff]/u.test(name);
  if (names.length > maxDepth || names.some(bad)) {
    throw new MobillmError(
      'MODEL_INVALID',
      `This model cannot be used: ${named} names the file ${JSON.stringify(path.slice(0, 200))}, which is no path inside its folder.`,
      { details: { path: path.slice(0, 200) } },
    );
  }
  return names.join('/');
}

/**
 * A file that has to be there.
 *
 * @param namedBy file that names it
 * @throws MobillmError `FILE_NOT_FOUND`; `INTEGRITY_FAILED` where it has another size than `fileBytes`.
 */
export async function requireFile(
  tree: FileTree,
  path: string,
  namedBy: string,
  fileBytes?: number,
): Promise<TreeFile> {
  const found = await tree.sizeOf(path);
  if (found === undefined) {
    throw fileNotFound(
      `${tree.where}/${path}`,
      `is missing, and "${namedBy}" names it. Download or copy the whole folder`,
    );
  }
  if (fileBytes !== undefined && found !== fileBytes) {
    throw new MobillmError(
      'INTEGRITY_FAILED',
      `The model file "${tree.where}/${path}" has ${found} bytes where "${namedBy}" says ${fileBytes}: it was cut short or replaced. Download or copy it again.`,
      { details: { path, actualBytes: found, expectedBytes: fileBytes } },
    );
  }
  return { path, fileBytes: found };
}

/**
 * A small file whole.
 *
 * @throws MobillmError `FILE_NOT_FOUND`; `MODEL_INVALID` where it has more than `maxBytes`.
 */
export async function readWhole(
  tree: FileTree,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const label = `${tree.where}/${path}`;
  if ((await tree.sizeOf(path)) === undefined) {
    throw fileNotFound(label, 'is missing. Download or copy the whole folder');
  }
  const source = await tree.open(path, signal);
  try {
    if (source.byteLength > maxBytes) {
      throw new MobillmError(
        'MODEL_INVALID',
        `"${label}" has ${source.byteLength} bytes, and such a file of a model has at most ${maxBytes}. Download or convert the model again.`,
        { details: { path, fileBytes: source.byteLength, maxBytes } },
      );
    }
    return await source.read(0, source.byteLength);
  } finally {
    await source.close();
  }
}

/** A JSON object of at most `maxBytes`. */
export async function readTreeJson(
  tree: FileTree,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  return parseJsonObject(await readWhole(tree, path, maxBytes, signal), `${tree.where}/${path}`);
}
