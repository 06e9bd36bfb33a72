import { hashFiles } from '../hash-files.js';
import type { RecordedModel } from '../manifest/manifest.js';
import type { ProgressReporter } from '../progress.js';
import type { StoreContext } from '../store-context.js';
import { unreadable } from '../store-errors.js';
import type { DeviceVerifyReport, VerifiedFile } from './house-types.js';

/** Sums of files that were read already, by what is the same for all names of one file. */
export type KnownSums = Map<string, string>;

/**
 * Reads every file of a model and compares its sha256.
 *
 * @param known those that need not be read again; gets what is read
 */
export async function verifyModel(
  context: StoreContext,
  model: RecordedModel,
  progress: ProgressReporter,
  signal: AbortSignal,
  known: KnownSums = new Map(),
): Promise<DeviceVerifyReport> {
  const { fs } = context;
  const rows: VerifiedFile[] = [];
  const { files } = model.files;
  const there = await Promise.all(files.map(({ path }) => idOf(context, path)));
  const unread = files.filter((_, index) => {
    const id = there[index];
    return id !== undefined && !known.has(id);
  });
  const damaged = new Set<string | undefined>();
  const hashes = await hashFiles(fs, unread, progress, signal, (index) => {
    damaged.add(unread[index]?.path);
  });
  for (const [index, { path }] of unread.entries()) {
    const id = there[files.findIndex((file) => file.path === path)];
    if (id !== undefined) known.set(id, hashes[index] ?? '');
  }
  for (const [index, { path, sha256: expectedSha256 }] of files.entries()) {
    const actualSha256 = known.get(there[index] ?? '');
    if (actualSha256 === undefined) rows.push({ path, state: 'missing', expectedSha256 });
    else {
      const ok = actualSha256 === expectedSha256 && !damaged.has(path);
      const state = ok ? 'ok' : 'changed';
      rows.push({ path, state, expectedSha256, actualSha256 });
    }
  }
  return { ok: rows.every(({ state }) => state === 'ok'), files: rows };
}

/** What is the same for all names of a file; `undefined` when there is none. */
async function idOf({ fs }: StoreContext, path: string): Promise<string | undefined> {
  const facts = await fs.stat(path).catch((error: unknown) => {
    throw unreadable(error, path);
  });
  return facts?.kind === 'file' ? (facts.fileId ?? path) : undefined;
}
