import { MobillmError } from '@mobillm/core';
import type { DeviceModelStore, PruneReport, StoreVerifyReport } from '@mobillm/model-store';
import type { Command, CommandContext } from '../command.js';
import { parseBytes, parseNumber, showBytes } from '../values.js';

/** Verifies models, and mends them. */
export const verify: Command = {
  name: 'verify',
  usage: '[name…]',
  summary: 'Reads models through and compares their sha256; all of them without a name.',
  positionals: { min: 0 },
  options: {
    repair: { type: 'boolean', help: 'fetch again what is damaged, where it was downloaded' },
  },
  stopped: 'No model was changed by half; "verify --repair" goes on where it was.',
  async run({ store, args, job }) {
    const options = { ...job, repair: args.flag('repair') };
    const report =
      args.positionals.length === 0
        ? await store.verifyAll(options)
        : await verifyNamed(store, args.positionals, options);
    return { json: report, lines: report.models.flatMap(verifiedLines), status: report.ok ? 0 : 1 };
  },
};

async function verifyNamed(
  store: DeviceModelStore,
  names: readonly string[],
  options: CommandContext['job'] & { readonly repair: boolean },
): Promise<StoreVerifyReport> {
  const models: StoreVerifyReport['models'][number][] = [];
  for (const name of names) models.push({ name, report: await store.verify(name, options) });
  return { ok: models.every(({ report }) => report?.ok === true), models };
}

function verifiedLines({ name, report, error }: StoreVerifyReport['models'][number]): string[] {
  if (report === undefined) return [`${name}: ${error?.message} (${error?.code})`];
  return report.files.flatMap(({ path, state, fetchedBytes, advice }) => {
    const mended = fetchedBytes === undefined ? '' : `, mended by ${showBytes(fetchedBytes)}`;
    const line = `${name}: ${state}${mended}${state === 'ok' ? '' : `  ${path}`}`;
    return advice === undefined ? [line] : [line, `  ${advice}`];
  });
}

/** Clears up. */
export const prune: Command = {
  name: 'prune',
  usage: '',
  summary: 'Clears what is left over, and models that were not used for long or are too much.',
  details: 'Pinned and linked models stay. --max-size says how much may be left.',
  positionals: { min: 0, max: 0 },
  options: {
    'older-than': { type: 'string', value: 'days', help: 'models that were not used for so long' },
    'downloads-older-than': {
      type: 'string',
      value: 'days',
      help: 'downloads that were broken off and have not grown for so long; 7 by default',
    },
    dedupe: { type: 'boolean', help: 'keep equal content once' },
    'dry-run': { type: 'boolean', help: 'only tell what would go' },
  },
  async run({ store, args, job }) {
    const number = (option: string) => {
      const text = args.text(option);
      return text === undefined ? undefined : parseNumber(option, text, 0);
    };
    const olderThanDays = number('older-than');
    const downloadsOlderThanDays = number('downloads-older-than');
    const size = args.text('max-size');
    const report = await store.prune({
      ...job,
      ...(size !== undefined && { maxBytes: parseBytes('max-size', size) }),
      ...(olderThanDays !== undefined && { olderThanDays }),
      ...(downloadsOlderThanDays !== undefined && { downloadsOlderThanDays }),
      dedupe: args.flag('dedupe'),
      dryRun: args.flag('dry-run'),
    });
    return { json: report, lines: prunedLines(report) };
  },
};

function prunedLines({ removed, joined, freedBytes, ownedBytes, dryRun }: PruneReport): string[] {
  return [
    ...removed.map(
      ({ kind, name, reason, freedBytes: bytes }) =>
        `${kind} ${name}: ${showBytes(bytes)} (${reason})`,
    ),
    ...joined.map(({ name, freedBytes: bytes }) => `joined ${name}: ${showBytes(bytes)}`),
    `${showBytes(freedBytes)} ${dryRun ? 'would be' : 'are'} free again, ${showBytes(ownedBytes)} of models ${dryRun ? 'would stay' : 'stay'}.`,
  ];
}

/** Where the file of a model is. */
export const where: Command = {
  name: 'where',
  usage: '<name>',
  summary: 'The path of a model’s file, for other programs.',
  positionals: { min: 1, max: 1 },
  options: { all: { type: 'boolean', help: 'all its files, one a line, its licence too' } },
  async run({ store, args }) {
    const model = await store.resolve(args.positionals[0] ?? '');
    const weights = model.files.files.filter(({ role }) => role === 'weights').slice(0, 1);
    const files = args.flag('all') ? model.files.files : weights;
    return { json: model, lines: files.map(({ path }) => path) };
  },
};

/** Keeps models. */
export const pin: Command = {
  name: 'pin',
  usage: '<name…>',
  summary: 'Keeps models when room is made for others.',
  positionals: { min: 1 },
  options: { off: { type: 'boolean', help: 'lets them go again' } },
  async run({ store, args }) {
    const models = [];
    for (const name of args.positionals) {
      models.push(await (args.flag('off') ? store.unpin(name) : store.pin(name)));
    }
    const state = args.flag('off') ? 'no longer pinned' : 'pinned';
    return { json: models, lines: models.map(({ name }) => `${name}: ${state}`) };
  },
};

/** Forgets models. */
export const remove: Command = {
  name: 'remove',
  usage: '<name…>',
  summary: 'Forgets models, and deletes the files that the store owns.',
  positionals: { min: 1 },
  options: {},
  async run({ store, args }) {
    const removed: string[] = [];
    // All are looked up first: a name that is spelled wrong must not come up halfway.
    const known = new Set((await store.list()).map(({ name }) => name));
    for (const name of args.positionals) {
      if (!known.has(name.normalize('NFC'))) await refuseUnknown(store, name);
    }
    for (const name of args.positionals) {
      await store.remove(name);
      removed.push(name);
    }
    return { json: { removed }, lines: removed.map((name) => `${name}: removed`) };
  },
};

/** Throws what the store says of a name that it does not list; one with a damaged record may go. */
async function refuseUnknown(store: DeviceModelStore, name: string): Promise<void> {
  await store.resolve(name).catch((error: unknown) => {
    if (!MobillmError.is(error, 'MODEL_INVALID')) throw error;
  });
}
