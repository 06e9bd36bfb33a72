import { MobillmError, type StoredModel } from '@mobillm/core';
import { downloadFile } from '../download/download.js';
import { recordBytes } from '../download/journal.js';
import { pieceBytes } from '../download/piece-map.js';
import type { FileSystem } from '../file-system/file-system.js';
import { areInPlace } from '../files-in-place.js';
import type { HttpClient } from '../http/http-client.js';
import { takeLock, type WorkFolder } from '../lock.js';
import { toStoredModel } from '../manifest/manifest.js';
import { pause } from '../pause.js';
import { stageFiles } from '../place-files.js';
import { ProgressReporter } from '../progress.js';
import { nameIsTaken, recordModel, type FileToRecord } from '../record-model.js';
import type { RemoteFile, RemoteModel } from '../sources/source.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import { inspectGgufFiles, inspectPulledFolder } from './inspect-pulled.js';
import type { PullProgress } from './pull-progress.js';

/** How often a process that waits for another one's download looks how far it is. */
const watchMs = 500;

/** A checked pull, its reference resolved. */
export interface PullRequest {
  readonly model: RemoteModel;
  /** Name in the store. */
  readonly name: string;
  readonly connections: number;
}

/**
 * Downloads what is missing of a model and records it. Whatever ends it, what has come is kept for the
 * next time.
 */
export async function pullModel(
  context: StoreContext,
  client: HttpClient,
  request: PullRequest,
  progress: PullProgress,
  signal: AbortSignal,
): Promise<StoredModel> {
  const present = await alreadyThere(context, request);
  if (present !== undefined) return present;
  const { files } = request.model;
  const folderOf = ({ sha256, addresses }: RemoteFile) =>
    context.layout.download(sha256, `${addresses[0]?.url}`);
  // Two files of one content are one download: its lock is not waited for a second time. And all take
  // their locks in the same order: two models that share files never wait for each other.
  const distinct = [...new Map(files.map((file) => [folderOf(file), file]))];
  distinct.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [, file] of distinct) progress.expect(file.fileName, file.fileBytes);
  return context.working(async (work) => {
    const downloads = new Map<string, FetchedContent>();
    try {
      for (const [folder, file] of distinct) {
        while (!downloads.has(folder)) {
          const found = await fetchFile(
            context,
            client,
            request,
            { file, folder },
            work,
            progress,
            signal,
          );
          if (found !== undefined) {
            downloads.set(folder, found);
            break;
          }
          // The process that was waited for may have recorded the whole model.
          const meanwhile = await alreadyThere(context, request);
          if (meanwhile !== undefined) return meanwhile;
        }
      }
      const fetched = files.flatMap((file) => {
        const content = downloads.get(folderOf(file));
        const { fileName, role } = file;
        return content === undefined ? [] : [{ ...content, fileName, role }];
      });
      const stored = await recordPulled(context, request, fetched, work, signal);
      for (const { folder } of fetched) await forget(context, folder);
      return stored;
    } finally {
      for (const { release } of downloads.values()) await release?.();
    }
  });
}

/** Checks what has come, and records it. What is no model is deleted. */
async function recordPulled(
  context: StoreContext,
  { model, name }: PullRequest,
  fetched: readonly FetchedFile[],
  work: WorkFolder,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { fs } = context;
  const { origin } = model;
  const silent = new ProgressReporter(undefined);
  const folder = await stageFiles(fs, fetched, work, silent, signal);
  const inspect =
    model.format === 'gguf'
      ? inspectGgufFiles(fs, folder, fetched, signal)
      : inspectPulledFolder(fs, folder, fetched, signal);
  const { description, md5s } = await inspect.catch(async (error: unknown) => {
    if (MobillmError.is(error, 'MODEL_INVALID') || MobillmError.is(error, 'INTEGRITY_FAILED')) {
      for (const file of fetched) await forget(context, file.folder);
    }
    throw error;
  });
  return recordModel(
    context,
    {
      name,
      format: model.format,
      placement: 'move',
      files: fetched.map((file) => {
        const md5 = md5s.get(file.fileName);
        return { ...file, ...(md5 !== undefined && { md5 }) };
      }),
      description,
      origin,
      staged: { work, folder },
    },
    () => Promise.resolve(),
    silent,
    signal,
  );
}

/**
 * The model of that name, if it has exactly what the source offers.
 *
 * @throws MobillmError `MODEL_CONFLICT` when the name is taken by other content.
 */
async function alreadyThere(
  { manifests, layout, fs }: StoreContext,
  { model, name }: PullRequest,
): Promise<StoredModel | undefined> {
  const found = await manifests.read(name);
  if (found === undefined) return undefined;
  if (found.state === 'damaged') throw found.error;
  const { manifest } = found;
  const known =
    manifest.origin?.reference === model.origin.reference &&
    manifest.origin.revision === model.origin.revision;
  const same = (file: RemoteFile, index: number) =>
    file.sha256 === undefined ? known : manifest.files[index]?.sha256 === file.sha256;
  const stored = toStoredModel(manifest, layout.root);
  if (manifest.files.length !== model.files.length || !model.files.every(same)) {
    // Before gigabytes come that nothing could be done with.
    if (model.files.every(({ sha256 }) => sha256 !== undefined)) throw nameIsTaken(stored);
    return undefined;
  }
  return (await areInPlace(fs, stored.files.files)) ? stored : undefined;
}

/** Content that is there, for one or more files of the model. */
interface FetchedContent extends Omit<FileToRecord, 'fileName' | 'role'> {
  /** Folder of its download; none for content that the store had. */
  readonly folder?: string;
  /** Lets others have the download. */
  readonly release?: () => Promise<void>;
}

interface FetchedFile extends FetchedContent, FileToRecord {
  readonly fileName: string;
}

/**
 * Downloads one file, unless a model of the store has its content. `undefined` when another process
 * was downloading it meanwhile, and has ended.
 */
async function fetchFile(
  context: StoreContext,
  client: HttpClient,
  request: PullRequest,
  { file, folder }: { readonly file: RemoteFile; readonly folder: string },
  work: WorkFolder,
  progress: PullProgress,
  signal: AbortSignal,
): Promise<FetchedContent | undefined> {
  const { fs, onProblem } = context;
  const { fileName } = file;
  const kept = await findContent(context, file);
  if (kept !== undefined) {
    progress.advance(fileName, kept.fileBytes, kept.fileBytes);
    return kept;
  }
  const path = `${folder}/content`;
  try {
    await fs.makeFolder(folder);
  } catch (error) {
    throw storeFailure(error, `make the folder "${folder}"`);
  }
  const seen = { waiting: false };
  const release = await takeLock(fs, `${folder}/lock`, work, signal, async () => {
    seen.waiting = true;
    progress.advance(fileName, await journalledBytes(fs, `${path}.journal`), file.fileBytes);
    await pause(watchMs, signal);
  });
  try {
    if (seen.waiting && (await fs.stat(path)) === undefined) {
      await release();
      return undefined;
    }
    const { fileBytes, sha256 } = await downloadFile(fs, client, {
      mirrors: file.addresses,
      path,
      totalBytes: file.fileBytes,
      sha256: file.sha256,
      connections: request.connections,
      signal,
      onBytes: (doneBytes, totalBytes) => progress.advance(fileName, doneBytes, totalBytes),
      onMirrorDropped: (_, error) => onProblem?.(error),
    });
    return { path, fileBytes, sha256, folder, release, isDownload: true };
  } catch (error) {
    await release();
    throw storeFailure(error, 'keep a download');
  }
}

/** A file of some model in the store, or linked by it, with this content. */
async function findContent(
  { manifests, layout, fs }: StoreContext,
  { sha256 }: RemoteFile,
): Promise<Pick<FileToRecord, 'path' | 'fileBytes' | 'sha256'> | undefined> {
  if (sha256 === undefined) return undefined;
  for (const found of await manifests.readAll()) {
    if (found.state !== 'sound') continue;
    const model = toStoredModel(found.manifest, layout.root);
    const file = model.files.files.find((candidate) => candidate.sha256 === sha256);
    if (file === undefined) continue;
    const { path, fileBytes } = file;
    const facts = await fs.stat(path).catch(() => undefined);
    if (facts?.kind === 'file' && facts.fileBytes === fileBytes) return { path, fileBytes, sha256 };
  }
  return undefined;
}

/** About how much a download has that another process is busy with. */
async function journalledBytes(fs: FileSystem, journal: string): Promise<number> {
  const facts = await fs.stat(journal).catch(() => undefined);
  return ((facts?.fileBytes ?? 0) / recordBytes) * pieceBytes;
}

/** Deletes what is left of a download; a failure is nobody's trouble: the next pull of it takes it up. */
async function forget({ fs }: StoreContext, folder: string | undefined): Promise<void> {
  if (folder === undefined) return;
  for (const name of ['content', 'content.journal', 'content.journal.new']) {
    await fs.remove(`${folder}/${name}`).catch(() => undefined);
  }
}
