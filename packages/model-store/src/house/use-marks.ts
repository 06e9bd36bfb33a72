import type { FileSystem } from '../file-system/file-system.js';
import type { StoreLayout } from '../layout.js';

let counter = 0;

/**
 * When models were last used: the time of an empty file for each. Making one is cheap, needs no lock and
 * no sync, and what is lost by a crash is the time of one use. Where the store cannot be written to,
 * no account is kept.
 */
export class UseMarks {
  constructor(
    private readonly layout: StoreLayout,
    private readonly fs: FileSystem,
  ) {}

  /** Notes that a model is used now. */
  async mark(name: string): Promise<void> {
    const { fs, layout } = this;
    const path = this.pathOf(name);
    // Renamed into place: a link that somebody put there is replaced and never followed.
    const fresh = `${layout.uses}/${fs.processName()}~${(counter++).toString(36)}`;
    try {
      const writer = await fs.create(fresh).catch(async () => {
        await fs.makeFolder(layout.uses);
        await fs.remove(fresh);
        return fs.create(fresh);
      });
      await writer.close();
      await fs.rename(fresh, path);
    } catch {
      // A store on a disk that is read-only or full is of use all the same.
      await fs.remove(fresh).catch(() => undefined);
    }
  }

  /** When a model was last used, ISO 8601; `undefined` where nothing tells. */
  async read(name: string): Promise<string | undefined> {
    const facts = await this.fs.stat(this.pathOf(name)).catch(() => undefined);
    return facts?.kind === 'file' ? new Date(facts.modifiedMs).toISOString() : undefined;
  }

  /** When models were last used, by their names; those that nothing is known of are left out. */
  async readAll(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const marked = new Set(await this.fs.listFolder(this.layout.uses).catch(() => []));
    const rows = await Promise.all(
      names.map(async (name) => {
        const usedAt = marked.has(this.layout.stem(name)) ? await this.read(name) : undefined;
        return usedAt === undefined ? [] : [[name, usedAt] as const];
      }),
    );
    return new Map(rows.flat());
  }

  /** Drops the mark of a model that goes. */
  async forget(name: string): Promise<void> {
    await this.fs.remove(this.pathOf(name)).catch(() => undefined);
  }

  private pathOf(name: string): string {
    return `${this.layout.uses}/${this.layout.stem(name)}`;
  }
}
