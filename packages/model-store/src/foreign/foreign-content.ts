import { inspectGguf } from '../gguf/inspect-gguf.js';
import { hashFiles } from '../hash-files.js';
import { ProgressReporter } from '../progress.js';
import type { RemoteFile, RemoteModel } from '../sources/source.js';
import type { ForeignContext } from './foreign-context.js';
import { foreignApps, type ForeignApp, type FoundFile, type UnreadModel } from './found-model.js';
import { listModels } from './list-models.js';
import { ollamaFolders } from './ollama-folder.js';

/** Finds content that is to be downloaded among what apps on this device hold. */
export class ForeignContent {
  private readonly files = new Map<ForeignApp, readonly FoundFile[]>();
  /** The sha256 of files that were read, by path. */
  private readonly sums = new Map<string, string>();
  private ollama: readonly string[] | undefined;

  constructor(
    private readonly context: ForeignContext,
    /** Told while files are read whose names do not tell their content. */
    private readonly progress: ProgressReporter,
  ) {}

  /**
   * A model whose files one app holds all, to be used where they lie. A licence that it does not hold is left
   * out.
   */
  async findModel(model: RemoteModel): Promise<UnreadModel | undefined> {
    // What consists of other files is taken in, one by one.
    if (model.format !== 'gguf') return undefined;
    for (const app of foreignApps) {
      const files: FoundFile[] = [];
      let isWhole = true;
      for (const remote of model.files) {
        const file = (await this.findIn(app, remote)) ?? (await this.findBeside(files[0], remote));
        const { role, sourcePath } = remote;
        if (file !== undefined) {
          files.push({ ...file, role, ...(sourcePath !== undefined && { sourcePath }) });
        } else if (role !== 'license') {
          isWhole = false;
          break;
        }
      }
      if (!isWhole || !(await this.isUsable(files))) continue;
      return { app, name: model.name, ...model.origin, files };
    }
    return undefined;
  }

  /**
   * A file with the content of one that is to be downloaded, to be taken into the store. It is read, so that
   * a false name costs no more than that.
   */
  async findFile(remote: RemoteFile): Promise<FoundFile | undefined> {
    for (const app of foreignApps) {
      const file = await this.findIn(app, remote);
      if (file !== undefined && (await this.sumOf(file)) === remote.sha256) return file;
    }
    return undefined;
  }

  private async findIn(app: ForeignApp, remote: RemoteFile): Promise<FoundFile | undefined> {
    const { sha256, fileBytes } = remote;
    if (sha256 === undefined) return undefined;
    if (app === 'ollama') return this.findBlob(remote);
    let files = this.files.get(app);
    if (files === undefined) {
      files = (await listModels(this.context, [app])).flatMap((model) => model.files);
      this.files.set(app, files);
    }
    const sized = files.filter((file) => fileBytes === undefined || file.fileBytes === fileBytes);
    const named = sized.find((file) => file.sha256 === sha256);
    if (named !== undefined || fileBytes === undefined) return named;
    for (const file of sized) {
      if (file.sha256 === undefined && (await this.sumOf(file)) === sha256) {
        return { ...file, sha256 };
      }
    }
    return undefined;
  }

  /** Blobs of Ollama are named after their content, so that no manifest is needed to find one. */
  private async findBlob({ sha256, fileBytes, role }: RemoteFile): Promise<FoundFile | undefined> {
    this.ollama ??= await ollamaFolders(this.context);
    for (const folder of this.ollama) {
      const path = `${folder}/blobs/sha256-${sha256}`;
      const facts = await this.context.stat('ollama', path);
      if (facts?.kind !== 'file' || (fileBytes ?? facts.fileBytes) !== facts.fileBytes) continue;
      const { modifiedMs } = facts;
      return { path, fileBytes: facts.fileBytes, modifiedMs, role, ...(sha256 && { sha256 }) };
    }
    return undefined;
  }

  /**
   * A small file of a repository, which has no sha256 there, in the snapshot of the hub's cache that the
   * weights lie in. A commit means one content.
   */
  private async findBeside(
    weights: FoundFile | undefined,
    { sha256, sourcePath, fileBytes, role }: RemoteFile,
  ): Promise<FoundFile | undefined> {
    const below = `/${weights?.sourcePath}`;
    if (sha256 !== undefined || sourcePath === undefined || !weights?.path.endsWith(below)) {
      return undefined;
    }
    const folder = weights.path.slice(0, -below.length);
    if (!/\/snapshots\/[0-9a-f]{40,64}$/.test(folder)) return undefined;
    const path = `${folder}/${sourcePath}`;
    const facts = await this.context.stat('hugging-face', path);
    if (facts?.kind !== 'file' || facts.fileBytes !== fileBytes) return undefined;
    return { path, fileBytes, modifiedMs: facts.modifiedMs, role };
  }

  private async sumOf(file: FoundFile): Promise<string | undefined> {
    const { fs, signal } = this.context;
    const known = this.sums.get(file.path);
    if (known !== undefined) return known;
    try {
      const [sum = ''] = await hashFiles(fs, [file], this.progress, signal);
      this.sums.set(file.path, sum);
      return sum;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  /** Whether an engine finds all parts of the weights from the first one: they need names that say so. */
  private async isUsable(files: readonly FoundFile[]): Promise<boolean> {
    const weights = files.filter(({ role }) => role === 'weights');
    const { fs, signal } = this.context;
    const silent = new ProgressReporter(undefined);
    try {
      const { files: parts } = await inspectGguf(fs, weights[0]?.path ?? '', silent, signal);
      return (
        parts.length === weights.length &&
        parts.every(({ path }, index) => path === weights[index]?.path)
      );
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }
}
