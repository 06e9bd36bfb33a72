import { MobillmError, type StoredModel } from '@mobillm/core';
import { comparable } from '../compare-content.js';
import type { PullControl } from '../download/pull-control.js';
import { areInPlace } from '../files-in-place.js';
import { addFound } from '../foreign/add-found.js';
import type { ForeignContent } from '../foreign/foreign-content.js';
import { makeRoom } from '../house/make-room.js';
import type { HttpClient } from '../http/http-client.js';
import type { WorkFolder } from '../lock.js';
import { toStoredModel } from '../manifest/manifest.js';
import { stageFiles } from '../place-files.js';
import { ProgressReporter } from '../progress.js';
import { knowHashes } from '../record-hashes.js';
import { nameIsTaken, recordModel, type FileToRecord } from '../record-model.js';
import type { RemoteFile, RemoteModel } from '../sources/source.js';
import type { StoreContext } from '../store-context.js';
import { checkAddress } from './check-address.js';
import { findContent, findElsewhere, ownsContent, type HeldContent } from './held-content.js';
import { inspectGgufFiles, inspectPulledFolder } from './inspect-pulled.js';
import type { PullProgress } from './pull-progress.js';
import { SpaceClaim } from './space-claim.js';
import { downloadShared, forgetDownload, type SharedDownload } from './shared-download.js';

/** Marks of servers are some ten letters long. */
const longestMark = 256;

/** A checked pull, its reference resolved. */
export interface PullRequest {
  readonly model: RemoteModel;
  /** Name in the store. */
  readonly name: string;
  readonly connections: number;
  /** Pauses it. */
  readonly control?: PullControl | undefined;
  /** Whether what another app holds is used where it lies, or taken in. */
  readonly placement: 'link' | 'move';
  /** What other apps hold. */
  readonly elsewhere: ForeignContent;
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
  const present = await alreadyThere(context, request, progress, signal);
  if (present !== undefined && isAsWanted(request, present)) {
    await checkAddress(client, request.model, present, signal);
    return present;
  }
  const search = { context, reporter: progress.reporter, signal };
  const isOwn = await ownsContent(search, request.model);
  const found =
    request.placement === 'link' && !isOwn
      ? await request.elsewhere.findModel(request.model)
      : undefined;
  if (found !== undefined) {
    const { name } = request;
    const add = { name, placement: 'link', hash: 'later' } as const;
    return addFound(context, found, add, progress.reporter, signal);
  }
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
    // Ends as well when another process has taken over what this one seemed to have left.
    const ending = new AbortController();
    const end = () => ending.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const space = new SpaceClaim(context, work);
    /** Sizes that servers tell only when they are asked for the file. */
    const sizes = new Map<string, number>();
    const claimRoom = () => {
      const wanted = distinct.map(([path, file]) => ({
        path,
        fileBytes: sizes.get(path),
        ...file,
      }));
      return makeRoom(context, request.name, wanted, work, ending.signal);
    };
    const fetchOne = (folder: string, file: RemoteFile) =>
      downloadShared(context, client, {
        ...{ file, folder, work, space },
        ...{ connections: request.connections, control: request.control },
        signal: ending.signal,
        onLost: (error) => ending.abort(error),
        onBytes: (doneBytes, totalBytes) => progress.advance(file.fileName, doneBytes, totalBytes),
        onSize: async (totalBytes) => {
          if (file.fileBytes !== undefined) return;
          sizes.set(folder, totalBytes);
          await claimRoom();
        },
      });
    try {
      let claim = await claimRoom();
      await space.add(await neededSizes(context, distinct), ending.signal);
      for (const [folder, file] of distinct) {
        while (!downloads.has(folder)) {
          const kept =
            (await findContent(search, file)) ?? (await findElsewhere(request.elsewhere, file));
          if (kept?.owner !== undefined && !claim.uses.includes(kept.owner)) {
            // It has come since, and must not go before it is taken.
            claim = await claimRoom();
            continue;
          }
          if (kept !== undefined) {
            progress.advance(file.fileName, kept.fileBytes, kept.fileBytes);
            downloads.set(folder, kept);
            break;
          }
          const found = await fetchOne(folder, file);
          if (found !== undefined) {
            downloads.set(folder, { ...found, folder, isDownload: true });
            break;
          }
          // The process that was waited for may have recorded the whole model.
          const meanwhile = await alreadyThere(context, request, progress, signal);
          if (meanwhile !== undefined && isAsWanted(request, meanwhile)) return meanwhile;
        }
      }
      const fetched = files.flatMap((file) => {
        const content = downloads.get(folderOf(file));
        const { fileName, role, sourcePath } = file;
        const named = { fileName, role, ...(sourcePath !== undefined && { sourcePath }) };
        return content === undefined ? [] : [{ ...content, ...named }];
      });
      const stored = await recordPulled(context, request, fetched, work, progress, ending.signal);
      for (const { folder } of fetched) await forget(context, folder);
      return stored;
    } finally {
      signal.removeEventListener('abort', end);
      for (const { release } of downloads.values()) await release?.();
    }
  });
}

/** Sizes of the downloads by their folders, as far as they are known and no model has the content. */
async function neededSizes(
  { manifests }: StoreContext,
  distinct: readonly (readonly [string, RemoteFile])[],
): Promise<Map<string, number>> {
  const kept = new Set<string | undefined>();
  for (const found of await manifests.readAll()) {
    if (found.state === 'sound') for (const { sha256 } of found.manifest.files) kept.add(sha256);
  }
  return new Map(
    distinct.flatMap(([folder, { fileBytes, sha256 }]) =>
      fileBytes === undefined || (sha256 !== undefined && kept.has(sha256))
        ? []
        : [[folder, fileBytes] as const],
    ),
  );
}

/** Whether nothing is left to do: what is linked may be wanted in the store. */
function isAsWanted({ placement }: PullRequest, { ownership }: StoredModel): boolean {
  return placement === 'link' || ownership === 'owned';
}

/** Checks what has come, and records it. What is no model is deleted. */
async function recordPulled(
  context: StoreContext,
  { model, name }: PullRequest,
  fetched: readonly FetchedFile[],
  work: WorkFolder,
  progress: PullProgress,
  signal: AbortSignal,
): Promise<StoredModel> {
  const { fs } = context;
  const { mark } = fetched[0] ?? {};
  // By which the address is asked later whether it still gives the same.
  const isAddress = fetched.length === 1 && model.origin.revision === undefined;
  const origin =
    isAddress && mark !== undefined && mark.length <= longestMark
      ? { ...model.origin, revision: mark }
      : model.origin;
  const silent = new ProgressReporter(undefined);
  const { folder } = await stageFiles(fs, fetched, work, silent, signal);
  const inspect =
    model.format === 'gguf'
      ? inspectGgufFiles(fs, folder, fetched, signal)
      : inspectPulledFolder(fs, folder, fetched, progress.reporter, signal);
  const { description, md5s } = await inspect.catch(async (error: unknown) => {
    if (MobillmError.is(error, 'MODEL_INVALID') || MobillmError.is(error, 'INTEGRITY_FAILED')) {
      for (const file of fetched) await forget(context, file.folder);
    }
    throw error;
  });
  for (const { sha256, fileBytes, checksums } of fetched) {
    // Without them a repair fetches all anew.
    if (checksums === undefined) continue;
    await context.checksums.write(sha256, fileBytes, checksums, work).catch(() => undefined);
  }
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
 * The model of that name, if it has exactly what the source offers; a licence may be missing where another
 * app holds the files.
 *
 * @throws MobillmError `MODEL_CONFLICT` when the name is taken by other content.
 */
async function alreadyThere(
  context: StoreContext,
  { model, name }: PullRequest,
  progress: PullProgress,
  signal: AbortSignal,
): Promise<StoredModel | undefined> {
  const { manifests, layout, fs } = context;
  const found = await manifests.read(name);
  if (found === undefined) return undefined;
  if (found.state === 'damaged') throw found.error;
  const { manifest } = found;
  const isSameOrigin =
    manifest.origin?.reference === model.origin.reference &&
    // That of an address is the mark of its content, and asked for by whoever found it.
    (model.origin.revision === undefined || manifest.origin.revision === model.origin.revision);
  const stored = toStoredModel(manifest, layout.root);
  const [offered, recorded] = comparable(model.files, manifest.files);
  const sizes = offered.every(
    ({ fileBytes }, index) => fileBytes === undefined || fileBytes === recorded[index]?.fileBytes,
  );
  const hasSums = offered.some(({ sha256 }) => sha256 !== undefined);
  const known =
    sizes && hasSums
      ? await knowHashes(context, manifest, () => true, progress.reporter, signal)
      : manifest.files;
  const [, held] = comparable(model.files, known);
  const same = (file: RemoteFile, index: number) =>
    file.sha256 === undefined ? isSameOrigin : held[index]?.sha256 === file.sha256;
  if (held.length !== offered.length || !offered.every(same)) {
    // Before gigabytes come that nothing could be done with.
    if (model.files.every(({ sha256 }) => sha256 !== undefined)) throw nameIsTaken(stored);
    return undefined;
  }
  return (await areInPlace(fs, stored.files.files)) ? stored : undefined;
}

/** Content that is there, for one or more files of the model. */
interface FetchedContent extends HeldContent, Partial<Pick<SharedDownload, 'release' | 'mark'>> {
  /** Folder of its download; none for content that the store had. */
  readonly folder?: string;
  /** Of its pieces, where it was downloaded. */
  readonly checksums?: Uint32Array;
}

interface FetchedFile extends FetchedContent, Pick<FileToRecord, 'role'> {
  readonly fileName: string;
}

async function forget(context: StoreContext, folder: string | undefined): Promise<void> {
  if (folder !== undefined) await forgetDownload(context, folder);
}
