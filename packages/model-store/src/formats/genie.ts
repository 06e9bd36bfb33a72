import { check, fields, MobillmError, type ModelDescription } from '@mobillm/core';
import { baseName } from '../base-name.js';
import { chatTemplateOf, companionsOf } from './companions.js';
import { checkTreePath, readTreeJson, requireFile } from './file-tree.js';
import type { FolderFile, FolderFormat } from './folder-format.js';

const entryName = 'genie_config.json';
const maxConfigBytes = 2 ** 20;
/** A model is split over a few binaries; a draft model may come along. */
const maxBinaries = 256;
const maxEngines = 8;

const { list, object, optional, required, shortText } = fields;
const count = (max: number) => optional(check.integer({ min: 1, max }));

const engine = object({
  backend: optional(
    object({
      extensions: optional(shortText),
      QnnHtp: optional(object({ 'kv-dim': count(2 ** 16) })),
    }),
  ),
  model: required(
    object({
      binary: optional(object({ 'ctx-bins': required(list(shortText, maxBinaries)) })),
      library: optional(object({ 'model-bin': required(shortText) })),
    }),
  ),
});
type Engine = ReturnType<typeof engine>;

/** One, or several where a small model drafts for a large one. */
const engines: check.Check<readonly Engine[]> = (value, key) =>
  Array.isArray(value) ? list(engine, maxEngines)(value, key) : [engine(value, key)];

const checkConfig = object({
  dialog: required(
    object({
      context: optional(object({ size: count(2 ** 30), 'n-vocab': count(2 ** 26) })),
      tokenizer: optional(object({ path: required(shortText) })),
      embedding: optional(object({ 'lut-path': optional(shortText) })),
      engine: required(engines),
    }),
  ),
});

/**
 * A bundle for Qualcomm's Genie: its configuration names the context binaries, the tokenizer and the settings
 * of the back end. It tells the context and the vocabulary, and nothing of layers and heads.
 */
export const genieFormat: FolderFormat = {
  name: 'genie',
  entryName,
  matches: (names) => names.includes(entryName),
  async read(tree, signal) {
    const label = `${tree.where}/${entryName}`;
    const content = await readTreeJson(tree, entryName, maxConfigBytes, signal);
    const { dialog } = fields.checkContent(checkConfig, content, label);
    const files: FolderFile[] = [
      { ...(await requireFile(tree, entryName, entryName)), role: 'weights' },
    ];
    const take = async (named: string | undefined, role: FolderFile['role']) => {
      if (named === undefined) return;
      const path = checkTreePath(named, label);
      // Engines may share a tokenizer or settings.
      if (files.some((file) => file.path === path)) return;
      files.push({ ...(await requireFile(tree, path, entryName)), role });
    };
    for (const { model } of dialog.engine) {
      for (const binary of model.binary?.['ctx-bins'] ?? []) await take(binary, 'weights');
      await take(model.library?.['model-bin'], 'weights');
    }
    if (files.length === 1) {
      throw new MobillmError(
        'MODEL_INVALID',
        `${label} is not sound: it names no binary of the model. Compile or download the model again.`,
        { details: { path: label } },
      );
    }
    await take(dialog.embedding?.['lut-path'], 'weights');
    const weights = files.slice(1);
    await take(dialog.tokenizer?.path, 'tokenizer');
    for (const { backend } of dialog.engine) await take(backend?.extensions, 'config');
    return {
      files: [...files, ...(await companionsOf(tree, files))],
      describe: async () => ({
        ...describe(dialog, weights),
        ...(await chatTemplateOf(tree, signal)),
      }),
    };
  },
};

function describe(
  { context, engine }: ReturnType<typeof checkConfig>['dialog'],
  weights: readonly FolderFile[],
): ModelDescription {
  const headLength = engine[0]?.backend?.QnnHtp?.['kv-dim'];
  const vocabularySize = context?.['n-vocab'];
  return {
    architecture: 'unknown',
    weightBytes: weights.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    quantization: bitsNamedBy(weights),
    ...(headLength !== undefined && { keyLength: headLength, valueLength: headLength }),
    ...(vocabularySize !== undefined && { vocabularySize }),
    ...(context?.size !== undefined && { trainedContextTokens: context.size }),
  };
}

/** Bits of weights and activations, as Qualcomm's tools write them into names: `w4a16`. */
function bitsNamedBy(weights: readonly FolderFile[]): string {
  for (const { path } of weights) {
    const found = /(?:^|[-_.])(w\d{1,2}a\d{1,2}|fp16|float)(?=[-_.])/i.exec(baseName(path))?.[1];
    if (found !== undefined) return found.toLowerCase();
  }
  return 'unknown';
}
