import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type KvLineage,
  mlcConfigFileName,
  MobillmError,
  type ModelFile,
  type ModelFiles,
} from '@mobillm/core';
import { readModelFolder } from '../folder/model-folder.js';
import { readJsonObject } from '../folder/read-json.js';
import type { CompiledAs } from './folder-content.js';

const largestConfigBytes = 2 ** 20;

/**
 * The files of a compiled model, the configuration first: it is what the engine starts from. `target`
 * is where the folder will be moved to.
 */
export async function filesOf(folder: string, target = folder): Promise<ModelFiles> {
  const path = resolve(folder);
  const names = (await readdir(path)).filter((name) => name !== mlcConfigFileName).sort();
  const file = async (name: string): Promise<ModelFile> => ({
    path: join(resolve(target), name),
    fileBytes: (await stat(join(path, name))).size,
    role: roleOf(name),
  });
  return { format: 'mlc', files: await Promise.all([mlcConfigFileName, ...names].map(file)) };
}

function roleOf(name: string): ModelFile['role'] {
  if (name === mlcConfigFileName || name.startsWith('params_shard_')) return 'weights';
  if (name === 'tokenizer.json') return 'tokenizer';
  return name.endsWith('.json') ? 'config' : 'library';
}

/**
 * What a former compilation left in a folder, when it was of the same source by the same compiler with
 * the same options, and all its files are there in full length. Their contents are not read: the engine
 * compares the checksums when it opens them.
 */
export async function findCompiled(
  folder: string,
  lineage: KvLineage,
  compiledAs: CompiledAs,
): Promise<ModelFiles | undefined> {
  const configPath = join(resolve(folder), mlcConfigFileName);
  try {
    const { mobillm } = await readJsonObject(configPath, largestConfigBytes);
    const own = (mobillm ?? {}) as {
      readonly derivedFrom?: unknown;
      readonly compiledAs?: unknown;
    };
    if (!isDeepStrictEqual(own.derivedFrom, lineage)) return undefined;
    if (!isDeepStrictEqual(own.compiledAs, JSON.parse(JSON.stringify(compiledAs))))
      return undefined;
    const files = await filesOf(folder);
    return (await isComplete(files)) ? files : undefined;
  } catch (error) {
    // A folder that is missing, was damaged or is being replaced just now is written anew.
    if (MobillmError.is(error) || (error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

async function isComplete(files: ModelFiles): Promise<boolean> {
  const { config, cache, tokenizerPath, tokenizerConfigPath, folder } =
    await readModelFolder(files);
  if (config.own === undefined) return false;
  const bytes = new Map(files.files.map((file) => [file.path, file.fileBytes]));
  const has = (name: string, expected: number) => bytes.get(join(folder, name)) === expected;
  return (
    has(config.own.library.file, config.own.library.bytes) &&
    bytes.has(tokenizerPath) &&
    bytes.has(tokenizerConfigPath) &&
    cache.records.every((shard) => has(shard.dataPath, shard.nbytes))
  );
}
