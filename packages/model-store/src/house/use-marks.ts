import type { FileSystem } from '../file-system/file-system.js';
import type { StoreLayout } from '../layout.js';

/** The stem of a model, and when it was used, in milliseconds since 1970. */
const markForm = /^(.+)~(\d{1,15})$/;

/**
 * When models were last used: an empty file for each, whose name tells. To find out takes one list of a
 * folder, however many there are; to note a use takes a rename, no lock and no sync. What a crash costs
 * is the time of one use. Where the store cannot be written to, no account is kept.
 */
export class UseMarks {
  constructor(
    private readonly layout: StoreLayout,
    private readonly fs: FileSystem,
  ) {}

  /** Notes that a model is used now; tells when it was used before, ISO 8601. */
  async mark(name: string): Promise<string | undefined> {
    const { fs, layout } = this;
    const stem = layout.stem(name);
    const marks = (await this.list()).filter((mark) => mark.stem === stem);
    const fresh = `${layout.uses}/${stem}~${Date.now()}`;
    try {
      const [first, ...others] = marks;
      // Two processes at once may leave two.
      for (const { path } of others) await fs.remove(path);
      if (first === undefined) await this.create(fresh);
      // Gone: another process notes a use as well.
      else await fs.rename(first.path, fresh).catch(() => this.create(fresh));
    } catch {
      // A store on a disk that is read-only or full is of use all the same.
    }
    return latest(marks.map(({ usedMs }) => usedMs));
  }

  /** When models were last used, ISO 8601, by their names; those that nothing is known of are left out. */
  async readAll(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const times = new Map<string, number[]>();
    for (const { stem, usedMs } of await this.list()) {
      times.set(stem, [...(times.get(stem) ?? []), usedMs]);
    }
    if (times.size === 0) return new Map();
    return new Map(
      names.flatMap((name) => {
        const usedAt = latest(times.get(this.layout.stem(name)) ?? []);
        return usedAt === undefined ? [] : [[name, usedAt] as const];
      }),
    );
  }

  /** Drops the marks of a model that goes. */
  async forget(name: string): Promise<void> {
    const stem = this.layout.stem(name);
    for (const mark of await this.list()) {
      if (mark.stem === stem) await this.fs.remove(mark.path).catch(() => undefined);
    }
  }

  /** All marks, by the stems of models. */
  async list(): Promise<
    { readonly stem: string; readonly usedMs: number; readonly path: string }[]
  > {
    const names = await this.fs.listFolder(this.layout.uses).catch(() => []);
    return names.flatMap((name) => {
      const [, stem, time] = markForm.exec(name) ?? [];
      if (stem === undefined) return [];
      return [{ stem, usedMs: Number(time), path: `${this.layout.uses}/${name}` }];
    });
  }

  private async create(path: string): Promise<void> {
    const { fs, layout } = this;
    const writer = await fs.create(path).catch(async () => {
      await fs.makeFolder(layout.uses);
      return fs.create(path);
    });
    await writer.close();
  }
}

function latest(times: readonly number[]): string | undefined {
  return times.length === 0 ? undefined : new Date(Math.max(...times)).toISOString();
}
