import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { MobillmError } from '@mobillm/core';
import { configFileName } from '../folder/chat-config.js';

/** What a killed process left behind is cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Has `write` fill a folder beside `target`, and puts it in place when all of it is on the disk. When it
 * fails, nothing of it stays behind, and what was in place before does.
 *
 * @throws MobillmError `IO_FAILED` when `target` holds something that is no compiled model, and where
 * the system refuses; whatever `write` throws.
 */
export async function placeFolder(
  target: string,
  write: (folder: string) => Promise<void>,
): Promise<void> {
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
    await write(made);
    await flush(made).catch(cannotWrite(made));
    await swap(made, path, join(work, 'former')).catch(cannotWrite(path));
  } finally {
    // A linker whose compiler was killed may still be writing.
    await rm(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Only what was compiled before is ever replaced. */
async function refuseForeign(path: string): Promise<void> {
  const names = await readdir(path).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw ioFailed(path, error);
  });
  if (names.length === 0 || names.includes(configFileName)) return;
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
  try {
    // Replaces an empty folder, and nothing else.
    await rename(made, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'EPERM') throw error;
    await rename(path, former);
    await rename(made, path);
  }
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
