import type { FileSystem } from './file-system/file-system.js';
import type { StoreLayout } from './layout.js';
import { listWorkFolders, type WorkFolder } from './lock.js';
import { readText } from './read-text.js';

/**
 * Leaves a text among a call's temporary files for the calls under way beside it; it is there whole or not at
 * all, and ends with the work folder. Needs the store's lock.
 */
export async function leaveNote(
  fs: FileSystem,
  work: WorkFolder,
  fileName: string,
  text: string,
): Promise<void> {
  const fresh = `${work.path}/${fileName}.new`;
  await fs.remove(fresh);
  const writer = await fs.create(fresh);
  try {
    await writer.write(new TextEncoder().encode(text));
  } finally {
    await writer.close();
  }
  await fs.rename(fresh, `${work.path}/${fileName}`);
}

/** Which notes {@link readNotes} reads. */
export interface NotesToRead {
  readonly fileName: string;
  /** The caller's own work folder, whose note is left out. */
  readonly own?: WorkFolder | undefined;
  /** Whether notes of processes count that may be running, for all that is known. */
  readonly unknown: boolean;
  /** Longer ones are left out. */
  readonly maxBytes?: number;
}

/** The notes of calls under way in any process. */
export async function readNotes(
  fs: FileSystem,
  layout: StoreLayout,
  { fileName, own, unknown, maxBytes }: NotesToRead,
): Promise<string[]> {
  const notes: string[] = [];
  for (const { path, owner } of await listWorkFolders(fs, layout)) {
    const counts = owner === 'alive' || (owner === 'unknown' && unknown);
    if (!counts || path === own?.path) continue;
    const note = await readText(fs, `${path}/${fileName}`, maxBytes);
    if (note !== undefined) notes.push(note);
  }
  return notes;
}
