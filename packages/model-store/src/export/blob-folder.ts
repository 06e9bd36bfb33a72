import type { FileSystem, FileWriter } from '../file-system/file-system.js';
import { copyFile, tryLink } from '../place-files.js';
import { errnoOf, storeFailure } from '../store-errors.js';
import type { ExportReport } from './export-options.js';

let counter = 0;

/** Puts files into the folder of an app so that each is there whole or not at all. */
export class BlobFolder {
  private constructor(
    private readonly fs: FileSystem,
    private readonly folder: string,
    private readonly signal: AbortSignal,
    private readonly onBytes: (bytes: number) => void,
  ) {}

  /**
   * @param folder on the file system of all targets, made where it is missing; for what is not whole yet
   * @param onBytes told how many more were copied
   */
  static async open(
    fs: FileSystem,
    folder: string,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<BlobFolder> {
    await fs.makeFolder(folder).catch((error: unknown) => {
      throw storeFailure(error, `make the folder "${folder}"`);
    });
    return new BlobFolder(fs, folder, signal, onBytes);
  }

  /** Gives a file a second name, or copies it; one of that name and size that is there stays. */
  async place(
    file: { readonly path: string; readonly fileBytes: number; readonly sha256: string },
    target: string,
  ): Promise<ExportReport['files'][number]> {
    const { fs } = this;
    return this.doing(`put "${target}" there`, async () => {
      const there = await fs.stat(target);
      if (there?.kind === 'file' && there.fileBytes === file.fileBytes) {
        return { path: target, state: 'present' };
      }
      await fs.makeFolder(folderOf(target));
      // What is there is not whole: an app that was ended left it.
      if (there?.kind === 'file') await fs.remove(target);
      const temporary = this.temporary();
      try {
        const linked = await tryLink(fs, file.path, temporary);
        if (!linked) await copyFile(fs, file, temporary, this.signal, this.onBytes);
        await fs.rename(temporary, target);
        await fs.syncFolder(folderOf(target));
        return { path: target, state: linked ? 'linked' : 'copied' };
      } finally {
        await fs.remove(temporary);
      }
    });
  }

  /**
   * Writes a small file in one step.
   *
   * @param existing whether it may take the place of another
   * @returns whether it was written: not where something is there that may not be replaced.
   */
  async write(target: string, bytes: Uint8Array, existing: 'keep' | 'replace'): Promise<boolean> {
    const { fs } = this;
    return this.doing(`write "${target}"`, async () => {
      await fs.makeFolder(folderOf(target));
      const temporary = this.temporary();
      let writer: FileWriter | undefined;
      try {
        writer = await fs.create(temporary);
        await writer.write(bytes);
        await writer.sync();
        await writer.close();
        if (existing === 'keep') {
          // A second name is refused where something is there; a new one would replace that.
          const isFree = await this.isFree(temporary, target);
          if (!isFree) return false;
        }
        await fs.rename(temporary, target);
        await fs.syncFolder(folderOf(target));
        return true;
      } finally {
        await writer?.close();
        await fs.remove(temporary);
      }
    });
  }

  private async isFree(temporary: string, target: string): Promise<boolean> {
    try {
      if (await tryLink(this.fs, temporary, target)) return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
    return (await this.fs.stat(target)) === undefined;
  }

  private temporary(): string {
    return `${this.folder}/mobillm-${this.fs.processName()}-${(counter++).toString(36)}`;
  }

  private async doing<T>(what: string, job: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    try {
      return await job();
    } catch (error) {
      throw storeFailure(error, what);
    }
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
