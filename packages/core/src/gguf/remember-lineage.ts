import { platform } from '#platform';
import { isSha256 } from '../kv/is-sha256.js';
import type { KvLineage } from '../kv/kv-snapshot.js';

/** Files whose lineage is kept; those found longest ago go. */
const most = 64;
/** What was changed so shortly ago may change again without its times telling. */
const settledMs = 5000;
const fileName = 'lineages.json';

interface Entry {
  readonly file: string;
  readonly lineage: KvLineage;
}

/** Where and when it is remembered. */
export interface LineageMemory {
  /** Folder that it is kept in; nothing is kept without one. */
  readonly folder: string | undefined;
  /** The time now, in milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * The lineage that an earlier call, maybe of an earlier process, found for a file that is still the same: on
 * the same place of the same disk, with the same size, and neither written to nor renamed over since. Else
 * finds it, and remembers it. That nothing can be kept is no failure.
 */
export async function rememberedLineage(
  path: string,
  find: () => Promise<KvLineage>,
  { folder, now }: LineageMemory = { folder: platform.cacheFolder(), now: Date.now },
): Promise<KvLineage> {
  const state = folder === undefined ? undefined : await platform.fileState(path);
  if (folder === undefined || !state || now() - state.changedAtMs < settledMs) return find();
  const { identity } = state;
  const known = (await readEntries(folder)).find(({ file }) => file === identity);
  if (known) return known.lineage;
  const lineage = await find();
  if ((await platform.fileState(path))?.identity === identity) {
    await keep(folder, { file: identity, lineage }).catch(() => undefined);
  }
  return lineage;
}

async function keep(folder: string, entry: Entry): Promise<void> {
  await platform.makeFolder(folder);
  const others = (await readEntries(folder)).filter(({ file }) => file !== entry.file);
  const text = JSON.stringify([entry, ...others].slice(0, most), null, 2);
  await platform.writeFileAtomically(
    `${folder}/${fileName}`,
    (async function* () {
      yield new TextEncoder().encode(`${text}\n`);
    })(),
  );
}

async function readEntries(folder: string): Promise<readonly Entry[]> {
  const text = (await platform.readTextFile(`${folder}/${fileName}`)) ?? '[]';
  try {
    const entries: unknown = JSON.parse(text);
    return Array.isArray(entries) ? entries.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  const { file, lineage } = (value ?? {}) as { file?: unknown; lineage?: unknown };
  const found = (lineage ?? {}) as Partial<KvLineage>;
  return (
    typeof file === 'string' &&
    isSha256(found.sourceSha256) &&
    isSha256(found.vocabularySha256) &&
    typeof found.architecture === 'string'
  );
}
