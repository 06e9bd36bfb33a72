import type { StoredModel } from '@mobillm/core';
import type { Command } from '../command.js';
import { table } from '../table.js';
import { showBytes } from '../values.js';

/** All models, one a line. */
export const list: Command = {
  name: 'list',
  usage: '',
  summary: 'The models of the store.',
  positionals: { min: 0, max: 0 },
  options: {},
  async run({ store }) {
    const models = await store.list();
    const rows = [
      ['name', 'size', 'weights', 'kept', 'last used'],
      ...models.map((model) => [
        model.name,
        showBytes(bytesOf(model)),
        model.description.quantization,
        [model.ownership, ...(model.pinned ? ['pinned'] : [])].join(', '),
        model.lastUsedAt?.slice(0, 10) ?? 'never',
      ]),
    ];
    return { json: models, lines: models.length === 0 ? ['The store is empty.'] : table(rows) };
  },
};

/** Bytes of all files of a model. */
export function bytesOf({ files }: StoredModel): number {
  return files.files.reduce((sum, { fileBytes = 0 }) => sum + fileBytes, 0);
}
