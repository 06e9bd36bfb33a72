import { hashFiles } from './hash-files.js';
import { absoluteFiles, type Manifest } from './manifest/manifest.js';
import { realPath } from './originals.js';
import type { FileToPlace } from './place-files.js';
import type { FileToRecord } from './record-model.js';
import type { ProgressReporter } from './progress.js';
import type { StoreContext } from './store-context.js';

/** Two lists of files; a licence that one of them has alone makes no other model. */
export function comparable<
  A extends { readonly role: string },
  B extends { readonly role: string },
>(first: readonly A[], second: readonly B[]): readonly [readonly A[], readonly B[]] {
  if (first.length === second.length) return [first, second];
  const matters = ({ role }: { readonly role: string }) => role !== 'license';
  return [first.filter(matters), second.filter(matters)];
}

/** Tells whether a recorded model and files that are to be added have the same content. */
export class ContentComparer {
  /** The sha256 of what was read once, by path, size and time: it is asked for again under the lock. */
  private readonly read = new Map<string, string>();

  constructor(
    private readonly context: StoreContext,
    private readonly progress: ProgressReporter,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Whether the content is the same. Where no sha256 and no path tells, the files are read if `mayRead`
   * allows it, which can take minutes, and else the answer is `unknown`.
   */
  async compare(
    recorded: Manifest,
    files: readonly FileToRecord[],
    mayRead: boolean,
  ): Promise<boolean | 'unknown'> {
    const [first, second] = comparable(absoluteFiles(recorded, this.context.layout.root), files);
    if (first.length !== second.length) return false;
    const pairs = first.map((file, index) => [file, second[index] ?? file] as const);
    if (pairs.some(([a, b]) => a.fileBytes !== b.fileBytes)) return false;
    const open: (readonly [FileToPlace, FileToPlace])[] = [];
    for (const [a, b] of pairs) {
      if (a.sha256 !== undefined && b.sha256 !== undefined) {
        if (a.sha256 !== b.sha256) return false;
      } else if (!(await this.isSameFile(a, b))) open.push([a, b]);
    }
    for (const [a, b] of open) {
      const sums = [await this.sha256(a, mayRead), await this.sha256(b, mayRead)];
      if (sums.includes('unread')) return 'unknown';
      // Of a file that has gone, its size and time alone are known: whoever moves a file keeps both.
      const moved = sums[0] === 'gone' && a.modifiedMs === b.modifiedMs;
      if (!moved && sums[0] !== sums[1]) return false;
    }
    return true;
  }

  /** Whether both are one file that nobody has written to since it was recorded. */
  private async isSameFile(a: FileToPlace, b: FileToPlace): Promise<boolean> {
    if (a.modifiedMs === undefined || a.modifiedMs !== b.modifiedMs) return false;
    if (a.path === b.path) return true;
    const real = await realPath(this.context, a.path);
    return real !== undefined && real === (await realPath(this.context, b.path));
  }

  private async sha256(
    { path, fileBytes, sha256 }: FileToPlace,
    mayRead: boolean,
  ): Promise<string> {
    if (sha256 !== undefined) return sha256;
    const { fs } = this.context;
    const facts = await fs.stat(path).catch(() => undefined);
    if (facts?.kind !== 'file' || facts.fileBytes !== fileBytes) return 'gone';
    const key = `${facts.modifiedMs} ${fileBytes} ${path}`;
    const known = this.read.get(key);
    if (known !== undefined) return known;
    if (!mayRead) return 'unread';
    const [sum = ''] = await hashFiles(fs, [{ path, fileBytes }], this.progress, this.signal);
    this.read.set(key, sum);
    return sum;
  }
}
