import type { ModelScopeReference } from '../reference/model-reference.js';
import { isRepository } from '../reference/parse-reference.js';
import type { ForeignContext } from './foreign-context.js';
import type { UnreadModel } from './found-model.js';
import { chooseModel, groupModels, listGgufs, stemOf, type TreeModel } from './gguf-tree.js';

const app = 'modelscope';

/** A repository in the cache, with the folder of its files. */
interface CachedRepository {
  readonly repository: string;
  /** Where the layout names it. */
  readonly revision?: string;
  readonly folder: string;
}

/** Models in ModelScope's cache, in its layout of today and those before. */
export async function listModelScope(context: ForeignContext): Promise<UnreadModel[]> {
  const found: UnreadModel[] = [];
  for (const cached of await listRepositories(context)) {
    const files = await listGgufs(context, app, cached.folder);
    found.push(...groupModels(files).map((model) => toUnread(cached, model)));
  }
  return found;
}

/** The model of a reference, if the cache has it. */
export async function findInModelScope(
  context: ForeignContext,
  { repository, revision, selection }: ModelScopeReference,
): Promise<UnreadModel | undefined> {
  for (const cached of await listRepositories(context)) {
    if (cached.repository !== repository) continue;
    if (cached.revision !== undefined && (revision ?? 'master') !== cached.revision) continue;
    const files = await listGgufs(context, app, cached.folder);
    const model = chooseModel(repository, files, selection);
    if (model !== undefined) return toUnread(cached, model);
  }
  return undefined;
}

function toUnread(
  { repository, revision }: CachedRepository,
  { path, files }: TreeModel,
): UnreadModel {
  const at = revision === undefined ? '' : `@${revision}`;
  return {
    app,
    name: `${repository}/${stemOf(path)}`,
    ...(isRepository(repository) && { reference: `modelscope:${repository}${at}:${path}` }),
    ...(revision !== undefined && { revision }),
    files,
  };
}

/** Every repository once, in all folders that ModelScope may keep them in. */
async function listRepositories(context: ForeignContext): Promise<CachedRepository[]> {
  const roots = [context.setting('MODELSCOPE_CACHE'), context.home('.cache/modelscope')];
  const folders = roots.flatMap((root) =>
    root === undefined ? [] : [`${root}/models`, `${root}/hub/models`, `${root}/hub`, root],
  );
  const found = new Map<string, CachedRepository>();
  for (const folder of await context.distinctFolders(app, folders)) {
    for (const cached of await repositoriesIn(context, folder)) {
      const real = await context.realPath(cached.folder);
      if (real !== undefined && !found.has(real)) found.set(real, cached);
    }
  }
  return [...found.values()];
}

/** `owner--name/snapshots/revision/` today, `owner/name/` with dots as `___` before. */
async function repositoriesIn(
  context: ForeignContext,
  folder: string,
): Promise<CachedRepository[]> {
  const found: CachedRepository[] = [];
  for (const name of await context.list(app, folder)) {
    if (name.startsWith('.')) continue;
    const path = `${folder}/${name}`;
    if (name.includes('--')) {
      const repository = name.replace(/^models--/, '').replace('--', '/');
      for (const revision of await context.list(app, `${path}/snapshots`)) {
        found.push({ repository, revision, folder: `${path}/snapshots/${revision}` });
      }
      continue;
    }
    // Folders of the cache itself, which are looked through on their own.
    if (['hub', 'models', 'datasets'].includes(name)) continue;
    for (const inner of await context.list(app, path)) {
      if (inner.startsWith('.')) continue;
      const repository = `${name}/${inner}`.replaceAll('___', '.');
      found.push({ repository, folder: `${path}/${inner}` });
    }
  }
  return found;
}
