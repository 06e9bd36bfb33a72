import { listFolders, listLmStudio } from './folders.js';
import type { ForeignContext } from './foreign-context.js';
import type { ForeignApp, UnreadModel } from './found-model.js';
import { listHubCache } from './hub-cache.js';
import { listModelScope } from './modelscope-cache.js';
import { listOllama } from './ollama-folder.js';

const lists: Readonly<
  Record<ForeignApp, (context: ForeignContext) => Promise<readonly UnreadModel[]>>
> = {
  ollama: listOllama,
  'lm-studio': listLmStudio,
  'hugging-face': listHubCache,
  modelscope: listModelScope,
  folder: listFolders,
};

/** Models of some apps by the names of their files alone, app by app and sorted by name. */
export async function listModels(
  context: ForeignContext,
  apps: readonly ForeignApp[],
): Promise<UnreadModel[]> {
  const models: UnreadModel[] = [];
  for (const app of apps) {
    const found = [...(await lists[app](context))];
    models.push(...found.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }
  return models;
}
