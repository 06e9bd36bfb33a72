import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { mlcConfigFileName, MobillmError } from '@mobillm/core';

/** What a killed process left behind is cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/** Others that may put theirs in place first, one after the other, before this one gives up. */
const maxSwaps = 64;

/**
 * Has `write` fill a folder beside `target`, and puts it in place when all of it is on the disk. When it
 * fails, nothing of it stays behind, and what was in place before does. Of several processes that do
 * this at once, the last one's stays.
 *
 * @returns what `write` gave.
 * @throws MobillmError `IO_FAILED` when `target` holds something that is no compiled model, and where
 * the system refuses; whatever `write` throws.
 */
export async function placeFolder<T>(
  target: string,
  write: (folder: string) => Promise<T>,
): Promise<T> {
  const path = resolve(target);
  const parent = dirname(path);
  const prefix = `.${basename(path)}.`;
  await refuseForeign(path);
  await mkdir(parent, { recursive: true }).catch(cannotWrite(parent));
  await clearAbandoned(parent, prefix);
  const work = await mkdtemp(join(parent, prefix)).catch(cannotWrite(parent));
  try {
    const made = join(work, 'new');
    await mkdir(made).catch(cannotWrite(made));
    const result = await write(made);
    await flush(made).catch(cannotWrite(made));
    await swap(made, path, join(work, 'former')).catch(cannotWrite(path));
    return result;
  } finally {
    // A linker whose compiler was killed may still be writing.
    await rm(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Only what was compiled before is ever replaced. */
async function refuseForeign(path: string): Promise<void> {
  const names = await readdir(path).catch((error: unknown): string[] => {
    if (codeOf(error) === 'ENOENT') return [];
    throw ioFailed(path, error);
  });
  if (names.length === 0 || names.includes(mlcConfigFileName)) return;
  throw new MobillmError(
    'IO_FAILED',
    `${path} holds other files than a compiled model. Name an empty or a new folder.`,
    { details: { path } },
  );
}

async function flush(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = await open(join(folder, name), 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function swap(made: string, path: string, former: string): Promise<void> {
  for (let others = 0; ; others++) {
    try {
      // Replaces an empty folder, and nothing else.
      await rename(made, path);
      return;
    } catch (error) {
      const inPlace = ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(error));
      if (!inPlace || others === maxSwaps) throw error;
    }
    // Another process may have moved it away in between, and put its own there.
    await rename(path, `${former}-${others}`).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
    });
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

async function clearAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry !== undefined && Date.now() - entry.mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

function cannotWrite(path: string): (error: unknown) => never {
  return (error) => {
    throw ioFailed(path, error);
  };
}

/** The error for what the system refused, with what it said. */
export function ioFailed(path: string, cause: unknown): MobillmError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MobillmError(
    'IO_FAILED',
    `The compiled model could not be written to ${path} (${reason}). Free some space, or choose another folder.`,
    { details: { path }, cause },
  );
}
