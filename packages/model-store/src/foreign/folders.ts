import { readText } from '../read-text.js';
import { fieldsOf, textOf } from '../sources/json.js';
import type { ForeignContext } from './foreign-context.js';
import type { ForeignApp, UnreadModel } from './found-model.js';
import { groupModels, listGgufs, stemOf } from './gguf-tree.js';

/** Models in the folders that the caller named. */
export async function listFolders(context: ForeignContext): Promise<UnreadModel[]> {
  const found: UnreadModel[] = [];
  for (const folder of await context.distinctFolders('folder', context.folders)) {
    found.push(...(await modelsBelow(context, 'folder', folder)));
  }
  return found;
}

/**
 * Models of LM Studio: in `models/publisher/repository/` of its home, which a pointer in the user's home
 * names, or its settings elsewhere.
 */
export async function listLmStudio(context: ForeignContext): Promise<UnreadModel[]> {
  const { fs } = context;
  const pointer = context.home('.lmstudio-home-pointer');
  const pointed = pointer === undefined ? undefined : (await readText(fs, pointer))?.trim();
  const homes = await context.distinctFolders('lm-studio', [
    pointed || undefined,
    context.home('.cache/lm-studio'),
    context.home('.lmstudio'),
  ]);
  const folders: (string | undefined)[] = [];
  for (const home of homes) {
    folders.push(await chosenFolder(context, home), `${home}/models`);
  }
  const found: UnreadModel[] = [];
  for (const folder of await context.distinctFolders('lm-studio', folders)) {
    found.push(...(await modelsBelow(context, 'lm-studio', folder)));
  }
  return found;
}

async function modelsBelow(
  context: ForeignContext,
  app: ForeignApp,
  folder: string,
): Promise<UnreadModel[]> {
  const models = groupModels(await listGgufs(context, app, folder));
  return models.map(({ path, files }) => ({ app, name: stemOf(path), files }));
}

/** Where the user moved LM Studio's models to. */
async function chosenFolder(context: ForeignContext, home: string): Promise<string | undefined> {
  const text = await readText(context.fs, `${home}/settings.json`);
  try {
    return textOf(fieldsOf(JSON.parse(text ?? '{}'))['downloadsFolder']);
  } catch {
    return undefined;
  }
}
