import { fields, MobillmError, type ModelDescription } from '@mobillm/core';
import { chatTemplateOf, companionsOf } from '../companions.js';
import { checkTreePath, readTreeJson, requireFile, type FileTree } from '../file-tree.js';
import type { FolderFile, FolderFormat } from '../folder-format.js';
import { readSafetensorsHeader, type SafeTensor } from './header.js';
import { parseHubConfig, type HubConfig } from './hub-config.js';

const entryName = 'config.json';
const singleName = 'model.safetensors';
const indexName = 'model.safetensors.index.json';
const maxConfigBytes = 2 ** 20;
const maxIndexBytes = 32 * 2 ** 20;
/** The largest models have a few hundred. */
const maxShards = 2000;
/** Headers that are read at once: each may be a request. */
const readAtOnce = 6;

const { object, required, shortText } = fields;
const checkIndex = object({ weight_map: required(fields.map(shortText, 200_000)) });

/** A model as it is published for `transformers`: `config.json`, safetensors files, tokenizer. */
export const safetensorsFormat: FolderFormat = {
  name: 'safetensors',
  entryName,
  matches: (names) =>
    names.includes(entryName) && (names.includes(indexName) || names.includes(singleName)),
  async read(tree, signal) {
    const label = `${tree.where}/${entryName}`;
    const config = parseHubConfig(
      await readTreeJson(tree, entryName, maxConfigBytes, signal),
      label,
    );
    const { shards, tensorsOf, index } = await shardsOf(tree, signal);
    const files: FolderFile[] = [
      { ...(await requireFile(tree, entryName, entryName)), role: 'weights' },
      ...shards,
      ...index,
    ];
    return {
      files: [...files, ...(await companionsOf(tree, files))],
      describe: async () => ({
        ...describe(config, await readHeaders(tree, shards, tensorsOf, signal)),
        ...(await chatTemplateOf(tree, signal)),
      }),
    };
  },
};

interface Shards {
  readonly shards: readonly FolderFile[];
  /** Names of the tensors that the index promises of each shard; none without an index. */
  readonly tensorsOf: ReadonlyMap<string, readonly string[]>;
  readonly index: readonly FolderFile[];
}

async function shardsOf(tree: FileTree, signal: AbortSignal): Promise<Shards> {
  const names = await tree.names();
  // Where both are there, the whole file is what `transformers` takes.
  if (names.includes(singleName)) {
    const file = await requireFile(tree, singleName, entryName);
    return { shards: [{ ...file, role: 'weights' }], tensorsOf: new Map(), index: [] };
  }
  const label = `${tree.where}/${indexName}`;
  const content = await readTreeJson(tree, indexName, maxIndexBytes, signal);
  const { weight_map: weightMap } = fields.checkContent(checkIndex, content, label);
  const tensorsOf = new Map<string, string[]>();
  for (const [tensor, named] of weightMap) {
    const path = checkTreePath(named, label);
    const tensors = tensorsOf.get(path);
    if (tensors === undefined) tensorsOf.set(path, [tensor]);
    else tensors.push(tensor);
  }
  if (tensorsOf.size === 0 || tensorsOf.size > maxShards) {
    throw new MobillmError(
      'MODEL_INVALID',
      `"${label}" names ${tensorsOf.size} files of weights, and 1 to ${maxShards} are possible. Download the model again.`,
      { details: { shards: tensorsOf.size } },
    );
  }
  const shards: FolderFile[] = [];
  for (const path of [...tensorsOf.keys()].sort()) {
    shards.push({ ...(await requireFile(tree, path, indexName)), role: 'weights' });
  }
  const index = { ...(await requireFile(tree, indexName, indexName)), role: 'config' as const };
  return { shards, tensorsOf, index: [index] };
}

/** The tensors of all shards. */
async function readHeaders(
  tree: FileTree,
  shards: readonly FolderFile[],
  tensorsOf: ReadonlyMap<string, readonly string[]>,
  signal: AbortSignal,
): Promise<readonly SafeTensor[]> {
  const tensors: SafeTensor[] = [];
  for (let at = 0; at < shards.length; at += readAtOnce) {
    const batch = shards.slice(at, at + readAtOnce).map(async ({ path }) => {
      const source = await tree.open(path, signal);
      try {
        const found = await readSafetensorsHeader(source, `${tree.where}/${path}`, signal);
        requireTensors(found, tensorsOf.get(path), `${tree.where}/${path}`);
        return found;
      } finally {
        await source.close();
      }
    });
    const settled = await Promise.allSettled(batch);
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason;
      tensors.push(...result.value);
    }
  }
  return tensors;
}

/** A shard of another model has the right name, and other tensors. */
function requireTensors(
  found: readonly SafeTensor[],
  promised: readonly string[] | undefined,
  path: string,
): void {
  if (promised === undefined) return;
  const names = new Set(found.map(({ name }) => name));
  const missing = promised.find((name) => !names.has(name));
  if (missing === undefined) return;
  throw new MobillmError(
    'MODEL_INVALID',
    `The safetensors file "${path}" lacks the tensor "${missing.slice(0, 200)}", which the index says is in it. Download the model again.`,
    { details: { path, tensor: missing.slice(0, 200) } },
  );
}

function describe(
  { shape, quantization }: HubConfig,
  tensors: readonly SafeTensor[],
): ModelDescription {
  const embedding = tensors.find(({ name }) => /(?:^|\.)(?:embed_tokens|wte)\.weight$/.test(name));
  const hasOutput = tensors.some(({ name }) => /(?:^|\.)(?:lm_head|embed_out)\./.test(name));
  const rows = embedding?.shape[0];
  return {
    ...(rows !== undefined && rows > 0 && { vocabularySize: rows }),
    ...shape,
    // Packed numbers are not weights one by one.
    ...((quantization === undefined || quantization === 'fp8') && {
      parameterCount: tensors.reduce((sum, { elementCount }) => sum + elementCount, 0),
    }),
    weightBytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    quantization: quantization ?? mainType(tensors),
    ...(embedding !== undefined &&
      !hasOutput && { tiedEmbedding: { bytes: embedding.byteLength, type: embedding.dtype } }),
  };
}

/** The type that most bytes have. */
function mainType(tensors: readonly SafeTensor[]): string {
  const bytes = new Map<string, number>();
  for (const { dtype, byteLength } of tensors) {
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  }
  const [main] = [...bytes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return main?.[0] ?? 'none';
}
