import { MobillmError } from '@mobillm/core';
import type { FileSystem } from './file-system/file-system.js';
import type { StoreLayout } from './layout.js';
import { Heart, Silence } from './lock-life.js';
import { makeLastingFolder } from './make-lasting-folder.js';
import { pause } from './pause.js';
import { errnoOf, storeFailure } from './store-errors.js';
import { removeTree } from './remove-tree.js';

const pollMs = 25;
/** Holding the lock takes milliseconds; whoever holds it for longer has been suspended. */
const patienceMs = 30_000;
/** An owner shows so often that it lives, in milliseconds. */
const beatMs = 10_000;
/** Without a beat for so many times as long, a process of which nothing else is known is taken for ended. */
const missedBeats = 9;
/** Temporary files of such a process, in milliseconds. */
const abandonedAfterMs = 7 * 24 * 3600_000;

/** What a process holds while it works: the lock, or only a place for temporary files. */
export interface WorkFolder {
  /** Path of the folder, for this process alone. */
  readonly path: string;
  /** Deletes it with all that is in it. */
  remove(): Promise<void>;
}

/** Tells worker threads and copies of this module apart, which share the name of their process. */
const instance = Math.random().toString(36).slice(2, 10);
let counter = 0;
/** Name of a lock's owner: the process, the copy of this module in it, the taking, and the beat. */
const ownerForm = /^(([A-Za-z0-9._-]{1,100})~[a-z0-9]*-[a-z0-9]+)(?:\.[a-z0-9]+)?$/;
/** Locks that this copy of the module holds; one that it could not delete is not among them. */
const held = new Set<string>();

/** Makes a folder for temporary files that carries this process's name. */
export async function makeWorkFolder(fs: FileSystem, layout: StoreLayout): Promise<WorkFolder> {
  const path = `${layout.temporary}/${fs.processName()}~${instance}-${(counter++).toString(36)}`;
  try {
    if ((await fs.stat(layout.root)) === undefined) await makeLastingFolder(fs, layout.root);
    await removeTree(fs, path);
    await fs.makeFolder(path);
  } catch (error) {
    throw storeFailure(error, `make a folder in "${layout.temporary}"`);
  }
  return { path, remove: () => removeTree(fs, path) };
}

/**
 * Deletes the temporary files of processes that have ended, and those of processes on other machines after a
 * week. Failures are left for the next time.
 */
export async function sweepWorkFolders(fs: FileSystem, layout: StoreLayout): Promise<void> {
  for (const { path, owner } of await listWorkFolders(fs, layout)) {
    if (owner === 'ended') await removeTree(fs, path).catch(() => undefined);
  }
}

async function isOld(fs: FileSystem, path: string): Promise<boolean> {
  const facts = await fs.stat(path).catch(() => undefined);
  return facts !== undefined && facts.modifiedMs < Date.now() - abandonedAfterMs;
}

/** A folder for temporary files that is there. */
export interface FoundWorkFolder {
  readonly path: string;
  /** What is known of its process; one on another machine has ended when its files are a week old. */
  readonly owner: 'alive' | 'unknown' | 'ended';
}

/** The folders for temporary files of all processes. */
export async function listWorkFolders(
  fs: FileSystem,
  layout: StoreLayout,
): Promise<FoundWorkFolder[]> {
  const folders = await fs.listFolder(layout.temporary).catch(() => []);
  const found: FoundWorkFolder[] = [];
  for (const folder of folders) {
    const name = folder.slice(0, Math.max(0, folder.lastIndexOf('~')));
    if (name === '') continue;
    const path = `${layout.temporary}/${folder}`;
    const isAlive = fs.isProcessAlive(name);
    const hasEnded = isAlive === undefined ? await isOld(fs, path) : !isAlive;
    found.push({ path, owner: hasEnded ? 'ended' : isAlive ? 'alive' : 'unknown' });
  }
  return found;
}

/** Options of {@link takeLock}. */
export interface LockOptions {
  /** Called when another process has taken the lock over, as this one seemed to have ended. */
  readonly onLost?: (error: MobillmError) => void;
  /** How often an owner shows that it lives, in milliseconds; 10 s by default. */
  readonly beatMs?: number;
}

/**
 * Takes a lock, the store's or that of a download, and returns what gives it back.
 *
 * The lock is a folder that holds one file, named after its owner. It is made elsewhere and renamed
 * into place, which succeeds only while nothing, or an empty folder, is there; so it appears with
 * its owner's name in it or not at all. A dead owner's lock is taken by deleting the file of that
 * very name: this cannot hit a lock that another process has taken meanwhile. Names of another form,
 * and folders, are nobody's; they are cleared away, as nobody could take the lock beside them.
 *
 * Whether an owner lives is known of processes on this machine alone. So whoever holds a lock for long gives
 * its file another name every ten seconds, which fails once the file was deleted: an owner that shows no
 * life is taken for dead, and one that was only suspended learns that it has lost the lock. Clocks of
 * machines are not compared.
 * The folder that the lock is in is made where it is missing: others delete folders of downloads that are
 * empty, which they are as long as the lock is not in them.
 *
 * Where `onWait` is given it is called while a living process keeps the lock, for as long as that is.
 *
 * @throws MobillmError `IO_FAILED`, retryable, when a living process keeps it for 30 s, or one of which that
 * is not known for a minute and a half while it shows life.
 */
export async function takeLock(
  fs: FileSystem,
  lock: string,
  work: WorkFolder,
  signal: AbortSignal,
  onWait?: () => Promise<void>,
  { onLost, beatMs: everyMs = beatMs }: LockOptions = {},
): Promise<() => Promise<void>> {
  // A call holds several locks at once, and giving back one says nothing of the others.
  const own = `${fs.processName()}~${instance}-${(counter++).toString(36)}`;
  const candidate = `${work.path}/lock`;
  try {
    await removeTree(fs, candidate);
    await fs.makeFolder(candidate);
    await (await fs.create(`${candidate}/${own}`)).close();
  } catch (error) {
    throw storeFailure(error, `write to "${work.path}"`);
  }
  const silence = new Silence(everyMs * missedBeats);
  for (let waitedMs = 0; ;) {
    signal.throwIfAborted();
    held.add(own);
    if (await tryRename(fs, candidate, lock, own)) break;
    const holder = await freeDeadLock(fs, lock, silence);
    if (holder === undefined) continue;
    if (onWait !== undefined) {
      await onWait();
      continue;
    }
    if (waitedMs >= (silence.isJudging(holder) ? everyMs * missedBeats * 2 : patienceMs)) {
      throw new MobillmError(
        'IO_FAILED',
        `Another process (${holder}) is changing the model store in "${folderOf(lock)}" and does not finish. Try again once it has ended.`,
        { details: { holder, path: lock }, retryable: true },
      );
    }
    await pause(pollMs, signal);
    waitedMs += pollMs;
  }
  const heart = new Heart(fs, lock, own, everyMs, (error) => {
    held.delete(own);
    onLost?.(error);
  });
  return async () => {
    held.delete(own);
    const name = await heart.stop();
    // What stays behind on a failing disk is taken for a dead owner's, by this process at once and
    // by others once it has ended. An empty folder may be another process's lock already.
    await fs.remove(`${lock}/${name}`).catch(() => undefined);
    await fs.removeFolder(lock).catch(() => undefined);
  };
}

async function tryRename(
  fs: FileSystem,
  from: string,
  lock: string,
  own: string,
): Promise<boolean> {
  try {
    await fs.rename(from, lock);
    return true;
  } catch (error) {
    held.delete(own);
    // Windows says EPERM or EACCES of a folder that is there. ENOTDIR: somebody put a file there.
    const taken = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM', 'EACCES'].includes(
      errnoOf(error) ?? '',
    );
    const there = taken && (await fs.stat(lock).catch(() => undefined)) !== undefined;
    if (there) return false;
    // Given back between the two calls.
    if (taken && ['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) return false;
    const doing = `take its lock in "${folderOf(lock)}"`;
    // The folder of the lock was empty, and went; what is renamed is there still.
    if (errnoOf(error) === 'ENOENT' && (await fs.stat(from).catch(() => undefined)) !== undefined) {
      await fs.makeFolder(folderOf(lock)).catch((failure: unknown) => {
        throw storeFailure(failure, doing);
      });
      return false;
    }
    throw storeFailure(error, doing);
  }
}

/** Takes a lock unless a living process has it; `undefined` then. */
export async function tryLock(
  fs: FileSystem,
  lock: string,
  work: WorkFolder,
  signal: AbortSignal,
): Promise<(() => Promise<void>) | undefined> {
  const isTaken = new Error('somebody has the lock');
  try {
    return await takeLock(fs, lock, work, signal, () => Promise.reject(isTaken));
  } catch (error) {
    if (error === isTaken) return undefined;
    throw error;
  }
}

/** Whether a living process has a lock; looks only. */
export async function isLocked(fs: FileSystem, lock: string): Promise<boolean> {
  // It is no folder, or was given back meanwhile.
  const names = await fs.listFolder(lock).catch(() => []);
  for (const name of names) {
    if (await isHeld(fs, lock, name, new Silence(Infinity)).catch(() => true)) return true;
  }
  return false;
}

/** Frees the lock if its owner is dead; returns the owner if it lives. */
async function freeDeadLock(
  fs: FileSystem,
  lock: string,
  silence: Silence,
): Promise<string | undefined> {
  try {
    const names = await fs.listFolder(lock);
    for (const name of names) {
      if (await isHeld(fs, lock, name, silence)) return name;
    }
    // All else is in the way: a dead owner's file, and what systems and people put into folders.
    for (const name of names) await removeTree(fs, `${lock}/${name}`);
    await fs.removeFolder(lock);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'ENOTDIR') {
      await removeFile(fs, lock);
    } else if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errno)) {
      throw storeFailure(error, `free the lock of a process that has ended in "${folderOf(lock)}"`);
    }
  }
  return undefined;
}

/** Whether a name in the lock's folder is that of an owner who may be alive. */
async function isHeld(
  fs: FileSystem,
  lock: string,
  name: string,
  silence: Silence,
): Promise<boolean> {
  const [, taking, owner] = ownerForm.exec(name) ?? [];
  if (taking === undefined || owner === undefined) return false;
  const forgotten = name.includes(`~${instance}-`) && !held.has(taking);
  if (forgotten || !(fs.isProcessAlive(owner) ?? !silence.isDeath(name))) return false;
  return (await fs.stat(`${lock}/${name}`))?.kind !== 'folder';
}

/** Deletes a file in the place of the lock's folder, unless a lock has come there since. */
async function removeFile(fs: FileSystem, lock: string): Promise<void> {
  try {
    await fs.remove(lock);
  } catch (error) {
    if ((await fs.stat(lock))?.kind === 'folder') return;
    throw storeFailure(error, `delete the file "${lock}", where its lock belongs`);
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
