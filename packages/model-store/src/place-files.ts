import type { ByteSource } from '@mobillm/core';
import { baseName } from './base-name.js';
import type { FileSystem, FileWriter } from './file-system/file-system.js';
import { hashFiles } from './hash-files.js';
import type { StoreLayout } from './layout.js';
import type { WorkFolder } from './lock.js';
import { makeLastingFolder } from './make-lasting-folder.js';
import { ProgressReporter } from './progress.js';
import { removeTree } from './remove-tree.js';
import { errnoOf, storeFailure } from './store-errors.js';

const chunkBytes = 2 ** 20;

/** How systems say that a file cannot have a second name there. */
const cannotLink = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** A file of a model on its way into the store. */
export interface FileToPlace {
  readonly path: string;
  /** Name that it gets, or path of several names in the model's folder; the last of its path by default. */
  readonly fileName?: string;
  /** Whether it may be renamed where the file system has no second names, rather than copied. */
  readonly isDownload?: boolean;
  /** Whether it is not the caller's to give away, such as another app's: a move leaves it where it is, too. */
  readonly isForeign?: boolean;
  readonly fileBytes: number;
  readonly sha256?: string;
  /** When it was last written to, in milliseconds since 1970. */
  readonly modifiedMs?: number;
}

/** Files that are ready in a folder. */
export interface StagedFiles<T extends FileToPlace> {
  readonly folder: string;
  /** The same files; what was copied has a sha256, and is written to at another time. */
  readonly files: readonly T[];
}

/**
 * Makes the files of a model ready in a work folder, each under a second name where the file system
 * can do that and as a copy where it cannot. The originals stay as they are, so that whatever
 * happens before the model is recorded costs nothing.
 */
export async function stageFiles<T extends FileToPlace>(
  fs: FileSystem,
  files: readonly T[],
  work: WorkFolder,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StagedFiles<T>> {
  const folder = `${work.path}/files`;
  const staged: T[] = [];
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let doneBytes = 0;
  try {
    const folders = foldersOf(folder, files);
    for (const below of folders) await fs.makeFolder(below);
    for (const [index, file] of files.entries()) {
      const target = `${folder}/${nameOf(file)}`;
      if (await tryLink(fs, file.path, target)) {
        doneBytes += file.fileBytes;
        staged.push(file);
        continue;
      }
      const isNeededAgain = files.slice(index + 1).some(({ path }) => path === file.path);
      if (file.isDownload && !isNeededAgain) {
        await fs.rename(file.path, target);
        staged.push(file);
        continue;
      }
      const sha256 = await copyFile(fs, file, target, signal, (bytes) => {
        doneBytes += bytes;
        progress.advance({ phase: 'copying', doneBytes, totalBytes });
      });
      const { modifiedMs, ...rest } = file;
      staged.push({ ...(rest as T), sha256 });
    }
    for (const below of [...folders].reverse()) await fs.syncFolder(below);
  } catch (error) {
    throw storeFailure(error, 'take the file into its folder');
  }
  return { folder, files: staged };
}

/** Puts staged files where the store keeps them; needs the lock. Returns their paths in the store. */
export async function placeFiles(
  fs: FileSystem,
  layout: StoreLayout,
  name: string,
  staged: string,
  files: readonly FileToPlace[],
): Promise<string[]> {
  const folder = layout.ownedFolder(name);
  try {
    await makeLastingFolder(fs, layout.models);
    // What an interrupted call left behind: no manifest names it.
    await removeTree(fs, `${layout.root}/${folder}`);
    await fs.rename(staged, `${layout.root}/${folder}`);
    await fs.syncFolder(layout.models);
  } catch (error) {
    throw storeFailure(error, `keep the files of "${name}"`);
  }
  return files.map((file) => `${folder}/${nameOf(file)}`);
}

/** The folder and those in it that files are to lie in, from the outside in. */
function foldersOf(folder: string, files: readonly FileToPlace[]): readonly string[] {
  const folders = new Set([folder]);
  for (const file of files) {
    const names = nameOf(file).split('/').slice(0, -1);
    names.forEach((_, index) => folders.add([folder, ...names.slice(0, index + 1)].join('/')));
  }
  return [...folders];
}

function nameOf({ path, fileName }: FileToPlace): string {
  return fileName ?? baseName(path);
}

/** Gives a file a second name; whether its file system could do that. */
export async function tryLink(fs: FileSystem, from: string, to: string): Promise<boolean> {
  try {
    // A second name for a symbolic link would be a second link, not a second name for the file.
    await fs.link(await fs.realPath(from), to);
    return true;
  } catch (error) {
    if (cannotLink.has(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

/** Copies a file, checks the copy, and returns its sha256. */
export async function copyFile(
  fs: FileSystem,
  file: Pick<FileToPlace, 'path' | 'sha256'>,
  target: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  let source: ByteSource | undefined;
  let writer: FileWriter | undefined;
  const hash = fs.createSha256();
  try {
    source = await fs.open(file.path);
    writer = await fs.create(target);
    for (let offset = 0; offset < source.byteLength; offset += chunkBytes) {
      signal.throwIfAborted();
      const chunk = await source.read(offset, chunkBytes);
      if (chunk.byteLength === 0) break;
      await writer.write(chunk);
      hash.update(chunk);
      onBytes(chunk.byteLength);
    }
    await writer.sync();
  } finally {
    await writer?.close();
    await source?.close();
  }
  const sha256 = hash.digest();
  // What was read is compared with what is known of the content, and else with what was written.
  const expected = file.sha256 ?? (await hashCopy(fs, target, signal));
  if (sha256 !== expected) {
    throw Object.assign(new Error('the copy differs from the original'), { code: 'EIO' });
  }
  return sha256;
}

async function hashCopy(fs: FileSystem, path: string, signal: AbortSignal): Promise<string> {
  const [sha256 = ''] = await hashFiles(
    fs,
    [{ path, fileBytes: 0 }],
    new ProgressReporter(undefined),
    signal,
  );
  return sha256;
}
