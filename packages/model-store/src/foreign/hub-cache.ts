import { isSha256 } from '../is-sha256.js';
import type { HuggingFaceReference } from '../reference/model-reference.js';
import { isCommit, isRepository } from '../reference/parse-reference.js';
import { hubCacheFolders } from '../sources/hub-home.js';
import type { ForeignContext } from './foreign-context.js';
import type { UnreadModel } from './found-model.js';
import {
  chooseModel,
  groupModels,
  listGgufs,
  stemOf,
  type TreeFile,
  type TreeModel,
} from './gguf-tree.js';

const app = 'hugging-face';
const maxRefBytes = 256;

/** What the cache has of a repository at one commit. */
interface HubSnapshot {
  /** `owner/name`, or a name alone. */
  readonly repository: string;
  readonly commit: string;
  /** Branches and tags that mean this commit, as far as the cache knows. */
  readonly names: readonly string[];
  /** Its GGUF files; paths as in the repository. */
  readonly files: readonly TreeFile[];
}

/** Models in the cache of the Hugging Face hub's clients. */
export async function listHubCache(context: ForeignContext): Promise<UnreadModel[]> {
  const snapshots = await listSnapshots(context);
  return snapshots.flatMap((snapshot) =>
    groupModels(snapshot.files).map((model) => toUnread(snapshot, model)),
  );
}

/** The model of a reference, if the cache has it at the revision that it names. */
export async function findInHubCache(
  context: ForeignContext,
  { repository, revision = 'main', selection }: HuggingFaceReference,
): Promise<UnreadModel | undefined> {
  for (const snapshot of await listSnapshots(context, repository)) {
    if (snapshot.commit !== revision && !snapshot.names.includes(revision)) continue;
    const model = chooseModel(repository, snapshot.files, selection);
    if (model !== undefined) return toUnread(snapshot, model);
  }
  return undefined;
}

function toUnread({ repository, commit }: HubSnapshot, { path, files }: TreeModel): UnreadModel {
  const reference = `hf:${repository}@${commit}:${path}`;
  return {
    app,
    name: `${repository}/${stemOf(path)}`,
    ...(isRepository(repository) && { reference, revision: commit }),
    files,
  };
}

/** All snapshots that have GGUF files, or those of one repository. */
async function listSnapshots(context: ForeignContext, wanted?: string): Promise<HubSnapshot[]> {
  const found: HubSnapshot[] = [];
  const roots = hubCacheFolders(context.fs.environment());
  for (const root of await context.distinctFolders(app, roots)) {
    for (const name of await context.list(app, root)) {
      const repository = name.replace(/^models--/, '').replaceAll('--', '/');
      if (!name.startsWith('models--') || (wanted ?? repository) !== repository) continue;
      const folder = `${root}/${name}`;
      const commits = await context.list(app, `${folder}/snapshots`);
      if (commits.length === 0) continue;
      const refs = await listRefs(context, folder);
      const blobs = await listBlobs(context, folder);
      for (const commit of commits.filter(isCommit)) {
        const files: TreeFile[] = [];
        for (const file of await listGgufs(context, app, `${folder}/snapshots/${commit}`)) {
          const sha256 = blobs.get((await context.realPath(file.absolutePath)) ?? '');
          files.push({ ...file, ...(sha256 !== undefined && { sha256 }) });
        }
        const names = refs.filter((ref) => ref.commit === commit).map((ref) => ref.name);
        if (files.length > 0) found.push({ repository, commit, names, files });
      }
    }
  }
  return found;
}

interface Ref {
  readonly name: string;
  readonly commit: string;
}

async function listRefs(context: ForeignContext, folder: string): Promise<Ref[]> {
  const refs: Ref[] = [];
  // Names of branches may have slashes: refs/pr/1.
  const visit = async (below: string, depth: number): Promise<void> => {
    for (const name of await context.list(app, `${folder}/refs${below}`)) {
      const path = `${folder}/refs${below}/${name}`;
      const facts = await context.stat(app, path);
      if (facts?.kind === 'folder' && depth < 4) await visit(`${below}/${name}`, depth + 1);
      if (facts?.kind !== 'file') continue;
      const bytes = await context.read(path, maxRefBytes).catch(() => undefined);
      const commit = new TextDecoder().decode(bytes).trim();
      if (isCommit(commit)) refs.push({ name: `${below}/${name}`.slice(1), commit });
    }
  };
  await visit('', 0);
  return refs;
}

/**
 * The sha256 of large files by where their bytes lie: a blob is named after it, and may itself be a link into a
 * folder that repositories share, whose names are other sums.
 */
async function listBlobs(context: ForeignContext, folder: string): Promise<Map<string, string>> {
  const blobs = new Map<string, string>();
  for (const name of await context.list(app, `${folder}/blobs`)) {
    if (!isSha256(name)) continue;
    const real = await context.realPath(`${folder}/blobs/${name}`);
    if (real !== undefined) blobs.set(real, name);
  }
  return blobs;
}
