import { MobillmError } from '@mobillm/core';
import { joinPath } from '../paths.js';
import type { FileAccess } from '../system/system.js';

/** Prefix of the folders in which something is being written. */
const asidePrefix = '.compiling-';

/** What a killed process left behind is cleared away after a day. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/** What {@link OutputFolder.create} needs of the system. */
export interface OutputSystem {
  /** Names in a folder. */
  listFolder(path: string): Promise<readonly string[]>;
  /** Where files can be written. */
  readonly files: FileAccess;
}

/**
 * A folder that a compiled model is written to: everything is made in a folder inside it that only
 * this compilation knows, and moved at the end, the file that makes it a model last.
 */
export class OutputFolder {
  readonly #files: FileAccess;
  readonly #folder: string;
  readonly #aside: string;
  readonly #isNew: boolean;

  private constructor(files: FileAccess, folder: string, aside: string, isNew: boolean) {
    this.#files = files;
    this.#folder = folder;
    this.#aside = aside;
    this.#isNew = isNew;
  }

  /**
   * Makes the folder where it is missing.
   *
   * @throws MobillmError `IO_FAILED`.
   */
  static async create(system: OutputSystem, folder: string): Promise<OutputFolder> {
    const { files } = system;
    return guard(folder, async () => {
      const isNew = await files.makeFolder(folder);
      await clearAbandoned(system, folder);
      const aside = await files.makeTemporaryFolder(joinPath(folder, asidePrefix));
      return new OutputFolder(files, folder, aside, isNew);
    });
  }

  /** Where a file of that name is to be written. */
  pathAside(name: string): string {
    return joinPath(this.#aside, name);
  }

  /** Writes a text file aside. */
  writeText(name: string, text: string): Promise<void> {
    return guard(this.#folder, () => this.#files.writeText(this.pathAside(name), text));
  }

  /**
   * Moves files into the folder. `last` is the one without which the others are no model: the former
   * one goes first, so that at no moment a model is there that is made of two.
   *
   * @param renamed names that files get, by the names that they were written under
   */
  async publish(renamed: Readonly<Record<string, string>>, last: string): Promise<void> {
    await guard(this.#folder, async () => {
      await this.#files.remove(joinPath(this.#folder, last));
      for (const [aside, name] of [...Object.entries(renamed), [last, last] as const]) {
        await this.#files.rename(this.pathAside(aside), joinPath(this.#folder, name));
      }
    });
  }

  /** Removes a file that an earlier model left, by its name. */
  removeFormer(name: string): Promise<void> {
    return guard(this.#folder, () => this.#files.remove(joinPath(this.#folder, name)));
  }

  /** Removes what was written aside, and the folder itself where it was new and is empty. */
  async discard(): Promise<void> {
    await this.#files.remove(this.#aside);
    if (this.#isNew) await this.#files.removeIfEmpty(this.#folder);
  }
}

async function clearAbandoned(system: OutputSystem, folder: string): Promise<void> {
  const { files } = system;
  for (const name of await system.listFolder(folder)) {
    if (!name.startsWith(asidePrefix)) continue;
    const path = joinPath(folder, name);
    const age = await files.ageMs(path);
    if (age !== undefined && age > abandonedAfterMs) await files.remove(path);
  }
}

/** Gives the system's own errors a code. */
async function guard<T>(folder: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const errno = (error as { readonly code?: unknown } | null)?.code;
    if (MobillmError.is(error) || typeof errno !== 'string') throw error;
    throw new MobillmError(
      'IO_FAILED',
      `The compiled model could not be written to ${folder} (${errno}). Check the folder's permissions and the space on its disk.`,
      { details: { path: folder, errno }, cause: error },
    );
  }
}
