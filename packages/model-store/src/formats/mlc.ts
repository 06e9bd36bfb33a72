import {
  mlcConfigFileName,
  mlcParameterCount,
  mlcTensorCacheFileNames,
  mlcWeightBytes,
  parseMlcConfig,
  parseMlcTensorCache,
  type MlcConfig,
  type ModelDescription,
} from '@mobillm/core';
import { chatTemplateOf, companionsOf } from './companions.js';
import { readTreeJson, requireFile, type FileTree } from './file-tree.js';
import type { FolderFile, FolderFormat } from './folder-format.js';
import { fileNotFound } from '../store-errors.js';

const maxConfigBytes = 2 ** 20;
const maxIndexBytes = 32 * 2 ** 20;

/** What machine code is kept as, the kind that an engine loads first. */
const libraryForms = [/\.(?:so|dylib|dll)$/i, /\.tar$/i];

/** A model compiled by MLC: configuration, index, shards, tokenizer, and a model library where it has one. */
export const mlcFormat: FolderFormat = {
  name: 'mlc',
  entryName: mlcConfigFileName,
  matches: (names) => names.includes(mlcConfigFileName),
  async read(tree, signal) {
    const label = `${tree.where}/${mlcConfigFileName}`;
    const content = await readTreeJson(tree, mlcConfigFileName, maxConfigBytes, signal);
    const config = parseMlcConfig(content, label);
    const names = await tree.names();
    const index = mlcTensorCacheFileNames.find((name) => names.includes(name));
    if (index === undefined) {
      throw fileNotFound(
        `${tree.where}/${mlcTensorCacheFileNames[0]}`,
        'is missing, which says where the weights are. Download or copy the whole folder',
      );
    }
    const cache = parseMlcTensorCache(
      await readTreeJson(tree, index, maxIndexBytes, signal),
      `${tree.where}/${index}`,
    );
    const shards: FolderFile[] = [];
    for (const { dataPath, nbytes, md5sum } of cache.records) {
      const file = await requireFile(tree, dataPath, index, nbytes);
      shards.push({ ...file, role: 'weights', ...(md5sum !== undefined && { md5: md5sum }) });
    }
    const files: FolderFile[] = [
      { ...(await requireFile(tree, mlcConfigFileName, mlcConfigFileName)), role: 'weights' },
      ...shards,
      { ...(await requireFile(tree, index, mlcConfigFileName)), role: 'config' },
      ...(await librariesOf(tree, config)),
    ];
    for (const path of config.tokenizerFiles) {
      const fileBytes = names.includes(path) ? await tree.sizeOf(path) : undefined;
      if (fileBytes === undefined || files.some((file) => file.path === path)) continue;
      files.push({ path, fileBytes, role: 'tokenizer' });
    }
    return {
      files: [...files, ...(await companionsOf(tree, files))],
      describe: async () => ({
        ...describe(config, mlcWeightBytes(cache)),
        ...(await chatTemplateOf(tree, signal)),
      }),
    };
  },
};

/** The machine code of a model; that which its configuration names, or what lies there. */
async function librariesOf(tree: FileTree, { own }: MlcConfig): Promise<FolderFile[]> {
  if (own !== undefined && (await tree.sizeOf(own.library.file)) !== undefined) {
    const { file, bytes, sha256 } = own.library;
    const found = await requireFile(tree, file, mlcConfigFileName, bytes);
    return [{ ...found, role: 'library', sha256 }];
  }
  const names = await tree.names();
  const libraries: FolderFile[] = [];
  for (const name of libraryForms.flatMap((form) => names.filter((name) => form.test(name)))) {
    const fileBytes = await tree.sizeOf(name);
    if (fileBytes !== undefined) libraries.push({ path: name, fileBytes, role: 'library' });
  }
  return libraries;
}

function describe(config: MlcConfig, weightBytes: number): ModelDescription {
  const { measures, vocabularySize, slidingWindowTokens } = config;
  return {
    architecture: config.architecture,
    parameterCount: mlcParameterCount(config),
    weightBytes,
    quantization: config.quantization,
    layers: measures.layers,
    embeddingLength: measures.embeddingLength,
    attentionHeads: measures.heads,
    kvHeads: measures.kvHeads,
    keyLength: measures.headLength,
    valueLength: measures.headLength,
    feedForwardLength: measures.feedForwardLength,
    vocabularySize,
    trainedContextTokens: config.trainedContextTokens,
    ...(slidingWindowTokens !== undefined && { slidingWindowTokens }),
  };
}
