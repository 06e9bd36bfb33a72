import { MobillmError } from '@mobillm/core';
import type { FileFacts, FileSystem } from '../file-system/file-system.js';
import { realPath } from '../originals.js';
import { storeFailure, unreadable } from '../store-errors.js';
import { appTitles, type ForeignApp } from './found-model.js';

/** A folder with more names than this is looked at no further. */
const maxEntries = 20_000;

/** What looking through the folders of other apps needs; whatever goes wrong there is only told. */
export class ForeignContext {
  constructor(
    readonly fs: FileSystem,
    readonly signal: AbortSignal,
    /** The folders that the caller named. */
    readonly folders: readonly string[],
    private readonly onProblem: ((error: MobillmError) => void) | undefined,
  ) {}

  /** A setting of the user; `undefined` where it is empty, too. */
  setting(name: string): string | undefined {
    return this.fs.environment()[name] || undefined;
  }

  /** A path under the user's home folder; `undefined` where nobody knows that. */
  home(rest: string): string | undefined {
    const home = this.setting('HOME') ?? this.setting('USERPROFILE');
    return home === undefined ? undefined : `${home}/${rest}`;
  }

  /** Tells of something of an app that is left out. */
  tell(app: ForeignApp, what: string, cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    const code = MobillmError.is(cause) ? cause.code : 'MODEL_INVALID';
    const title = appTitles[app];
    this.onProblem?.(
      new MobillmError(code, `Of ${title}, ${what} was left out: ${why}`, {
        details: { ...(MobillmError.is(cause) ? cause.details : {}), app },
        cause,
      }),
    );
  }

  /** Names in a folder in order; none where it is missing, is none or may not be read. */
  async list(app: ForeignApp, folder: string): Promise<readonly string[]> {
    this.signal.throwIfAborted();
    try {
      if ((await this.fs.stat(folder))?.kind !== 'folder') return [];
      const names = [...(await this.fs.listFolder(folder))].sort();
      if (names.length <= maxEntries) return names;
      this.tell(app, `all but ${maxEntries} names in "${folder}"`, 'it has too many.');
      return names.slice(0, maxEntries);
    } catch (error) {
      this.tell(app, `the folder "${folder}"`, storeFailure(error, `list "${folder}"`));
      return [];
    }
  }

  /** Facts of a path; `undefined` where there is nothing, or nobody may know. */
  async stat(app: ForeignApp, path: string): Promise<FileFacts | undefined> {
    this.signal.throwIfAborted();
    try {
      return await this.fs.stat(path);
    } catch (error) {
      this.tell(app, `"${path}"`, unreadable(error, path));
      return undefined;
    }
  }

  /** A path after all links; `undefined` if it has gone or the links lead in a circle. */
  realPath(path: string): Promise<string | undefined> {
    return realPath({ fs: this.fs }, path);
  }

  /** Those of some folders that are there, each once, whatever links lead to it. */
  async distinctFolders(
    app: ForeignApp,
    paths: readonly (string | undefined)[],
  ): Promise<string[]> {
    const seen = new Set<string>();
    for (const path of paths) {
      if (path === undefined) continue;
      const folder = this.fs.resolvePath(path);
      if ((await this.stat(app, folder))?.kind !== 'folder') continue;
      seen.add((await this.realPath(folder)) ?? folder);
    }
    return [...seen];
  }

  /** A whole file of at most so many bytes; `undefined` where there is none. */
  async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.signal.throwIfAborted();
    const facts = await this.fs.stat(path);
    if (facts === undefined) return undefined;
    if (facts.kind !== 'file') throw damaged(`"${path}" is no file`);
    if (facts.fileBytes > maxBytes) {
      throw damaged(`"${path}" has ${facts.fileBytes} bytes, and at most ${maxBytes} are read`);
    }
    const source = await this.fs.open(path);
    try {
      return await source.read(0, Math.min(source.byteLength, maxBytes));
    } finally {
      await source.close();
    }
  }
}

/** The error for a record of an app that is not as it should be; `what` is its sentence. */
export function damaged(what: string): MobillmError {
  return new MobillmError('MODEL_INVALID', `${what}.`);
}
