import { MobillmError } from '@mobillm/core';
import type { FileFacts } from '../file-system/file-system.js';
import { hashFiles } from '../hash-files.js';
import { absoluteFiles, type Manifest, type ManifestFile } from '../manifest/manifest.js';
import type { ProgressReporter } from '../progress.js';
import { recordHashes } from '../record-hashes.js';
import type { StoreContext } from '../store-context.js';
import { unreadable } from '../store-errors.js';
import type { DeviceVerifyReport, VerifiedFile } from './house-types.js';

/** Sums of files that were read already, by what is the same for all names of one file. */
export type KnownSums = Map<string, string>;

/** A recorded file, and what is at its path now. */
interface FileNow extends ManifestFile {
  readonly now: FileFacts | undefined;
  /** The same for all names of the file. */
  readonly id: string;
}

/**
 * Reads every file of a model and compares its sha256, and records that of sound files which have none yet.
 *
 * @param known those that need not be read again; gets what is read
 */
export async function verifyModel(
  context: StoreContext,
  manifest: Manifest,
  progress: ProgressReporter,
  signal: AbortSignal,
  known: KnownSums = new Map(),
): Promise<DeviceVerifyReport> {
  const { fs, layout } = context;
  const files = await Promise.all(
    absoluteFiles(manifest, layout.root).map((file) => lookAt(context, file)),
  );
  // A file that was never read has not been compared with its md5, whoever has read it for its sha256.
  const isUnread = ({ now, id, sha256, md5 }: FileNow) =>
    now !== undefined && (!known.has(id) || (sha256 === undefined && md5 !== undefined));
  const unread = files.filter(isUnread);
  const damaged = new Set<string | undefined>();
  const hashes = await hashFiles(fs, unread, progress, signal, (index) => {
    damaged.add(unread[index]?.path);
  });
  for (const [index, { id }] of unread.entries()) known.set(id, hashes[index] ?? '');
  const rows = files.map((file) => toRow(file, known.get(file.id), damaged.has(file.path)));
  await recordSums(context, manifest.name, files, rows, signal);
  return { ok: rows.every(({ state }) => state === 'ok'), files: rows };
}

async function lookAt({ fs }: StoreContext, file: ManifestFile): Promise<FileNow> {
  const { path } = file;
  const facts = await fs.stat(path).catch((error: unknown) => {
    throw unreadable(error, path);
  });
  return { ...file, now: facts?.kind === 'file' ? facts : undefined, id: facts?.fileId ?? path };
}

function toRow(file: FileNow, sum: string | undefined, otherMd5: boolean): VerifiedFile {
  const { path, now, fileBytes, modifiedMs, sha256, indexSha256 } = file;
  const expectedSha256 = sha256 ?? indexSha256;
  const expected = expectedSha256 === undefined ? {} : { expectedSha256 };
  if (now === undefined || sum === undefined) return { path, state: 'missing', ...expected };
  const untouched = now.fileBytes === fileBytes && now.modifiedMs === modifiedMs;
  const same =
    !otherMd5 &&
    (sha256 === undefined || sum === sha256) &&
    (indexSha256 === undefined || sum === indexSha256) &&
    // Where no sum was recorded, size and time alone tell whether it is what was added.
    (sha256 !== undefined || untouched);
  return { path, state: same ? 'ok' : 'changed', ...expected, actualSha256: sum };
}

/** Records the sums of sound files that have none. */
async function recordSums(
  context: StoreContext,
  name: string,
  files: readonly FileNow[],
  rows: readonly VerifiedFile[],
  signal: AbortSignal,
): Promise<void> {
  const fresh = files.flatMap(({ path, sha256, now }, index) => {
    const { state, actualSha256 } = rows[index] ?? {};
    if (sha256 !== undefined || state !== 'ok' || actualSha256 === undefined || now === undefined) {
      return [];
    }
    const { fileBytes, modifiedMs } = now;
    return [{ path, fileBytes, modifiedMs, sha256: actualSha256 }];
  });
  if (fresh.length === 0) return;
  await recordHashes(context, name, fresh, signal).catch((error: unknown) => {
    // What was found is true in a store that may not be written to as well.
    if (!MobillmError.is(error, 'IO_FAILED')) throw error;
    context.onProblem?.(error);
  });
}
