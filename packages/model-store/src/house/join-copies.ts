import { hashFiles } from '../hash-files.js';
import type { WorkFolder } from '../lock.js';
import type { ProgressReporter } from '../progress.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import { readOwnedModels, type OwnedFile, type OwnedModel } from './owned-models.js';
import { replaceByLink } from './replace-file.js';

/** A file whose content is known to be what is recorded. */
export interface SoundFile {
  readonly path: string;
  readonly sha256: string;
}

/** A file that has become a second name of another one. */
export interface JoinedFile {
  readonly name: string;
  readonly path: string;
  /** Bytes that the disk has again; 0 where the file had a further name. */
  readonly freedBytes: number;
}

/**
 * Makes the files of other models that have the content of sound ones second names of these, rather than the
 * other way round: what they have was just read, and what the others have was not. Needs the lock.
 */
export async function joinCopies(
  context: StoreContext,
  work: WorkFolder,
  soundFiles: readonly SoundFile[],
): Promise<JoinedFile[]> {
  if (soundFiles.length === 0) return [];
  const { models } = await readOwnedModels(context);
  const joined: JoinedFile[] = [];
  for (const sound of soundFiles) joined.push(...(await joinTo(sound, models, context, work)));
  return joined;
}

async function joinTo(
  sound: SoundFile,
  models: readonly OwnedModel[],
  context: StoreContext,
  work: WorkFolder,
): Promise<JoinedFile[]> {
  const same = filesWith(models, sound.sha256);
  const soundId = same.find(({ file }) => file.path === sound.path)?.file.id;
  if (soundId === undefined) return [];
  const joined: JoinedFile[] = [];
  const copies = same.filter(({ file }) => file.id !== soundId);
  for (const [index, { name, file }] of copies.entries()) {
    try {
      if (!(await replaceByLink(context, work, sound.path, file.path))) break;
    } catch (error) {
      throw storeFailure(error, `make "${file.path}" a second name of "${sound.path}"`);
    }
    const isLast = !copies.slice(index + 1).some((other) => other.file.id === file.id);
    joined.push({ name, path: file.path, freedBytes: isLast ? file.fileBytes : 0 });
  }
  return joined;
}

/**
 * Joins all files of the store with the same content. One of them is read first, and has to be what is
 * recorded; with `dryRun` nothing is read and the result tells what would be joined.
 */
export async function joinAllCopies(
  context: StoreContext,
  work: WorkFolder | undefined,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<JoinedFile[]> {
  const joined: JoinedFile[] = [];
  const { models } = await readOwnedModels(context);
  for (const [sha256, copies] of copiesIn(models)) {
    if (work === undefined) {
      joined.push(...wouldJoin(copies));
      continue;
    }
    const sound = await findSound(context, copies, sha256, progress, signal);
    if (sound === undefined) continue;
    joined.push(
      ...(await context.locked(work, signal, () =>
        joinCopies(context, work, [{ path: sound.path, sha256 }]),
      )),
    );
  }
  return joined;
}

interface NamedFile {
  readonly name: string;
  readonly file: OwnedFile;
}

function filesWith(models: readonly OwnedModel[], sha256: string): NamedFile[] {
  return models.flatMap(({ manifest: { name }, files }) =>
    files.flatMap((file) => (file.recorded.sha256 === sha256 ? [{ name, file }] : [])),
  );
}

/** Contents that the store has in more than one file. */
function copiesIn(models: readonly OwnedModel[]): Map<string, NamedFile[]> {
  const groups = new Map<string, NamedFile[]>();
  for (const { files } of models) {
    for (const { recorded } of files) {
      const { sha256, fileBytes } = recorded;
      // What nobody has read yet may be the same, which the first verification tells.
      if (sha256 === undefined || groups.has(sha256) || fileBytes === 0) continue;
      const same = filesWith(models, sha256);
      if (new Set(same.map(({ file }) => file.id)).size > 1) groups.set(sha256, same);
    }
  }
  return groups;
}

async function findSound(
  { fs }: StoreContext,
  copies: readonly NamedFile[],
  sha256: string,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<OwnedFile | undefined> {
  const tried = new Set<string>();
  for (const { file } of copies) {
    if (tried.has(file.id) || file.fileBytes !== file.recorded.fileBytes) continue;
    tried.add(file.id);
    const [actual] = await hashFiles(fs, [file], progress, signal);
    if (actual === sha256) return file;
  }
  return undefined;
}

function wouldJoin(copies: readonly NamedFile[]): JoinedFile[] {
  const [first, ...others] = copies;
  const seen = new Set([first?.file.id]);
  return others.flatMap(({ name, file }) => {
    if (file.id === first?.file.id) return [];
    const freedBytes = seen.has(file.id) ? 0 : file.fileBytes;
    seen.add(file.id);
    return [{ name, path: file.path, freedBytes }];
  });
}
