import type { FoundModel } from '@mobillm/model-store';
import type { Command } from '../command.js';
import { table } from '../table.js';
import { UsageError } from '../usage-error.js';
import { showBytes } from '../values.js';

/** What other apps hold. */
export const discover: Command = {
  name: 'discover',
  usage: '[folder…]',
  summary: 'The models that other apps hold on this device, and those in folders of yours.',
  details: 'What the last column says can be given to "add", which uses the files where they lie.',
  positionals: { min: 0 },
  options: {},
  async run({ store, args, job }) {
    const found = await store.discover({ ...job, folders: args.positionals });
    const rows = found.map((model) => [
      model.app,
      model.name,
      showBytes(bytesOf(model)),
      model.description.quantization,
      model.reference ?? model.files.files[0]?.path ?? '',
    ]);
    const lines =
      rows.length === 0
        ? ['No other app holds a model here.']
        : table([['app', 'name', 'size', 'weights', 'add'], ...rows]);
    return { json: found, lines };
  },
};

function bytesOf({ files }: FoundModel): number {
  return files.files.reduce((sum, { fileBytes = 0 }) => sum + fileBytes, 0);
}

/** Makes a model appear in another app. */
export const exportModel: Command = {
  name: 'export',
  usage: '<ollama|hugging-face> <name>',
  summary:
    'Makes a model of the store appear in another app, without a second copy where that can be.',
  positionals: { min: 2, max: 2 },
  options: {
    as: { type: 'string', value: 'name', help: 'name in Ollama' },
    folder: {
      type: 'string',
      value: 'folder',
      help: 'folder of the app, if it is another than its own',
    },
    replace: { type: 'boolean', help: 'replace another model of that name there' },
  },
  async run({ store, args, job }) {
    const [app, name = ''] = args.positionals;
    if (app !== 'ollama' && app !== 'hugging-face') {
      throw new UsageError(`a model goes to "ollama" or "hugging-face", not to "${app}"`);
    }
    const as = args.text('as');
    const folder = args.text('folder');
    const report = await store.exportTo(app, name, {
      ...job,
      existing: args.flag('replace') ? 'replace' : 'keep',
      ...(as !== undefined && { as }),
      ...(folder !== undefined && { folder }),
    });
    return {
      json: report,
      lines: [
        `${name}: in ${app} as ${report.name}`,
        ...report.files.map(({ path, state }) => `  ${state}  ${path}`),
      ],
    };
  },
};
