import { MobillmError } from '@mobillm/core';
import { baseName } from '../base-name.js';
import type { HttpClient } from '../http/http-client.js';
import type { WorkFolder } from '../lock.js';
import { absoluteFiles, type Manifest, type ManifestFile } from '../manifest/manifest.js';
import type { ProgressReporter } from '../progress.js';
import { PullProgress } from '../pull/pull-progress.js';
import { downloadShared, forgetDownload } from '../pull/shared-download.js';
import { sourceContext } from '../sources/source-context.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import { findRemoteFile } from './find-remote.js';
import type { DeviceVerifyReport, VerifiedFile } from './house-types.js';
import { keepSoundPieces } from './keep-sound-pieces.js';
import { readOwnedModels } from './owned-models.js';
import { putInPlace, replaceByLink } from './replace-file.js';
import { tryLink } from '../place-files.js';

/** What a repair is given. */
export interface Repair {
  readonly context: StoreContext;
  readonly client: HttpClient;
  readonly connections: number;
  readonly progress: ProgressReporter;
  readonly signal: AbortSignal;
}

/**
 * Mends what a report says is missing or changed, and reports anew. What cannot be mended has advice.
 *
 * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`, `INTEGRITY_FAILED`, `IO_FAILED`; what had come by then
 * is taken up by the next repair, or pull.
 */
export async function repairModel(
  repair: Repair,
  model: Manifest,
  report: DeviceVerifyReport,
): Promise<DeviceVerifyReport> {
  const { context } = repair;
  const files: VerifiedFile[] = [];
  const fetched = new Map<string, number>();
  await context.working(async (work) => {
    for (const row of report.files) {
      if (row.state === 'ok') files.push(row);
      else files.push(await repairFile(repair, model, row, work, fetched));
    }
  });
  return { ok: files.every(({ state }) => state === 'ok'), files };
}

async function repairFile(
  repair: Repair,
  model: Manifest,
  row: VerifiedFile,
  work: WorkFolder,
  fetched: Map<string, number>,
): Promise<VerifiedFile> {
  const { path } = row;
  if (model.ownership === 'linked') {
    return withAdvice(
      row,
      'It lies outside of the store, which never writes to it. Put the file back, or have the application that it is of fetch it again; or remove the model and add it anew.',
    );
  }
  if (model.origin === undefined) {
    return withAdvice(
      row,
      'It was taken in from a file of this device, and nobody knows where to fetch it. Remove the model and add the file again.',
    );
  }
  const { context, client, signal } = repair;
  const remote = await findRemoteFile(
    model.origin,
    { fileName: baseName(path), sha256: row.expectedSha256 },
    sourceContext(context.fs, client, signal),
  );
  if (remote === undefined) {
    return withAdvice(
      row,
      `"${model.origin.reference}" no longer has this content. Remove the model and pull it again, which gives what is there now.`,
    );
  }
  const { sha256 } = remote;
  const files = absoluteFiles(model, context.layout.root);
  const fileBytes = files.find((file) => file.path === path)?.fileBytes ?? 0;
  const fetchedBytes =
    fetched.get(sha256) ??
    (await fetchAndReplace(repair, { path, sha256, fileBytes }, { ...remote, fileBytes }, work));
  fetched.set(sha256, fetchedBytes);
  return { path, state: 'ok', expectedSha256: sha256, actualSha256: sha256, fetchedBytes };
}

/** Fetches what is damaged, and puts the whole in the place of the damaged file; tells the bytes that came. */
async function fetchAndReplace(
  { context, client, connections, progress, signal }: Repair,
  content: { readonly path: string; readonly sha256: string; readonly fileBytes: number },
  file: Parameters<typeof downloadShared>[2]['file'],
  work: WorkFolder,
): Promise<number> {
  const { fs, layout, checksums } = context;
  const { path, sha256, fileBytes } = content;
  const folder = layout.download(sha256, '');
  const pulling = new PullProgress(progress);
  pulling.expect(path, fileBytes);
  for (;;) {
    signal.throwIfAborted();
    const known = await checksums.read(sha256, fileBytes);
    const done = await downloadShared(context, client, {
      ...{ file, folder, connections, work, signal },
      onBytes: (doneBytes, totalBytes) => pulling.advance(path, doneBytes, totalBytes),
      prepare: async (target) => {
        if (known) await keepSoundPieces(fs, path, target, content, known, signal);
      },
    });
    // Another process was at it; whether it mended this very file is not known.
    if (done === undefined) continue;
    try {
      await replaceDamaged(context, work, content, done.path, signal);
      await checksums.write(sha256, fileBytes, done.checksums, work);
      await forgetDownload(context, folder);
      pulling.finish();
      return fileBytes - done.resumedBytes;
    } catch (error) {
      throw storeFailure(error, `put what was mended in the place of "${path}"`);
    } finally {
      await done.release();
    }
  }
}

/** Swaps a file, and with it all other names that the damaged one has in the store. */
async function replaceDamaged(
  context: StoreContext,
  work: WorkFolder,
  { path, sha256 }: { readonly path: string; readonly sha256: string },
  sound: string,
  signal: AbortSignal,
): Promise<void> {
  const { fs } = context;
  await context.locked(work, signal, async () => {
    const { models } = await readOwnedModels(context);
    const isOwn = (file: ManifestFile) =>
      `${context.layout.root}/${file.path}` === path && (file.sha256 ?? sha256) === sha256;
    const own = models.find(({ manifest }) => manifest.files.some(isOwn));
    if (own === undefined) {
      throw new MobillmError(
        'MODEL_NOT_FOUND',
        `The model of "${path}" was removed while it was mended, so it stays away.`,
        { details: { path } },
      );
    }
    const files = models.flatMap((model) => model.files);
    const damagedId = files.find((file) => file.path === path)?.id;
    const others = files.filter(
      (file) => file.id === damagedId && file.path !== path && file.recorded.sha256 === sha256,
    );
    const fresh = `${work.path}/mended`;
    await fs.remove(fresh);
    if (!(await tryLink(fs, sound, fresh))) await fs.rename(sound, fresh);
    await putInPlace(context, fresh, path);
    await recordMended(context, work, own.manifest, isOwn, { path, sha256 });
    for (const other of others) await replaceByLink(context, work, path, other.path);
  });
}

/** Records what a file is now that had no sum. */
async function recordMended(
  { fs, manifests }: StoreContext,
  work: WorkFolder,
  manifest: Manifest,
  isMended: (file: ManifestFile) => boolean,
  { path, sha256 }: { readonly path: string; readonly sha256: string },
): Promise<void> {
  if (manifest.files.every((file) => file.sha256 !== undefined || !isMended(file))) return;
  const facts = await fs.stat(path);
  const files = manifest.files.map((file) =>
    isMended(file) ? { ...file, sha256, ...(facts && { modifiedMs: facts.modifiedMs }) } : file,
  );
  await manifests.write({ ...manifest, files }, work.path);
}

function withAdvice(row: VerifiedFile, advice: string): VerifiedFile {
  return { ...row, advice };
}
