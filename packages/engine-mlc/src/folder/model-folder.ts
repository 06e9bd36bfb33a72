import {
  type MlcConfig,
  mlcConfigFileName,
  type MlcTensorCache,
  mlcTensorCacheFileNames,
  MobillmError,
  type ModelFiles,
  parseMlcConfig,
  parseMlcTensorCache,
} from '@mobillm/core';
import { folderOf, joinPath } from '../paths.js';
import { readJsonObject } from './read-json.js';

const largestConfigBytes = 2 ** 20;
const largestCacheBytes = 2 ** 26;

/** A compiled model on disk: what its files say, checked, and where they are. */
export interface ModelFolder {
  /** Path of the folder. */
  readonly folder: string;
  /** Path of the configuration. */
  readonly configPath: string;
  readonly config: MlcConfig;
  readonly cache: MlcTensorCache;
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
      `The model has no file of the role "weights", which has to be its ${mlcConfigFileName}. Add it again.`,
      { details: { name: files.name } },
    );
  }
  const configPath = weights.path.endsWith('.json')
    ? weights.path
    : joinPath(weights.path, mlcConfigFileName);
  const folder = folderOf(configPath);
  const config = parseMlcConfig(
    await readJsonObject(configPath, largestConfigBytes, signal),
    configPath,
  );
  refuseWindow(config, configPath);
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

async function readCache(folder: string, signal: AbortSignal | undefined): Promise<MlcTensorCache> {
  const [name, formerName] = mlcTensorCacheFileNames;
  const path = joinPath(folder, name);
  try {
    return parseMlcTensorCache(await readJsonObject(path, largestCacheBytes, signal), path);
  } catch (error) {
    if (!MobillmError.is(error, 'FILE_NOT_FOUND')) throw error;
    const former = joinPath(folder, formerName);
    const content = await readJsonObject(former, largestCacheBytes, signal).catch(() => {
      throw error;
    });
    return parseMlcTensorCache(content, former);
  }
}

function refuseWindow({ slidingWindowTokens }: MlcConfig, path: string): void {
  if (slidingWindowTokens === undefined) return;
  throw new MobillmError(
    'MODEL_UNSUPPORTED',
    `The model of ${path} cannot be run: its attention has a sliding window. Compile it without one.`,
    { details: { path, slidingWindowTokens } },
  );
}
