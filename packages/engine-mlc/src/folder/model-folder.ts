import { MobillmError, type ModelFiles } from '@mobillm/core';
import { folderOf, joinPath } from '../paths.js';
import { type ChatConfig, configFileName, parseChatConfig } from './chat-config.js';
import { readJsonObject } from './read-json.js';
import { parseTensorCache, type TensorCache } from './tensor-cache.js';

const largestConfigBytes = 2 ** 20;
const largestCacheBytes = 2 ** 26;

/** A compiled model on disk: what its files say, checked, and where they are. */
export interface ModelFolder {
  /** Path of the folder. */
  readonly folder: string;
  /** Path of the configuration. */
  readonly configPath: string;
  readonly config: ChatConfig;
  readonly cache: TensorCache;
  /** Path of the model library. */
  readonly libraryPath: string;
  /** Path of the tokenizer. */
  readonly tokenizerPath: string;
  /** Path of the tokenizer's configuration. */
  readonly tokenizerConfigPath: string;
  /** sha256 of the weights file that the caller named, where known. */
  readonly sha256: string | undefined;
}

/**
 * Reads the configuration and the index of the weights.
 *
 * @param files names the configuration, or the folder that it lies in, by the first file of role
 * `weights`; a file of role `library` is taken for the model library
 * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function readModelFolder(
  files: ModelFiles,
  signal?: AbortSignal,
): Promise<ModelFolder> {
  const weights = files.files.find((file) => file.role === 'weights');
  if (weights === undefined) {
    throw new MobillmError(
      'MODEL_INVALID',
      `The model has no file of the role "weights", which has to be its ${configFileName}. Add it again.`,
      { details: { name: files.name } },
    );
  }
  const configPath = weights.path.endsWith('.json')
    ? weights.path
    : joinPath(weights.path, configFileName);
  const folder = folderOf(configPath);
  const config = parseChatConfig(
    await readJsonObject(configPath, largestConfigBytes, signal),
    configPath,
  );
  const library = files.files.find((file) => file.role === 'library');
  return {
    folder,
    configPath,
    config,
    cache: await readCache(folder, signal),
    libraryPath: library?.path ?? joinPath(folder, config.own?.library.file ?? 'model.so'),
    tokenizerPath: joinPath(folder, 'tokenizer.json'),
    tokenizerConfigPath: joinPath(folder, 'tokenizer_config.json'),
    sha256: weights.sha256,
  };
}

async function readCache(folder: string, signal: AbortSignal | undefined): Promise<TensorCache> {
  const path = joinPath(folder, 'tensor-cache.json');
  try {
    return parseTensorCache(await readJsonObject(path, largestCacheBytes, signal), path);
  } catch (error) {
    if (!MobillmError.is(error, 'FILE_NOT_FOUND')) throw error;
    // What MLC called it until 2025.
    const former = joinPath(folder, 'ndarray-cache.json');
    const content = await readJsonObject(former, largestCacheBytes, signal).catch(() => {
      throw error;
    });
    return parseTensorCache(content, former);
  }
}
