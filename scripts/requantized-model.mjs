// Writes the default model's weights in another type: F16 or F32 for tests that compare engines on the very
// same numbers, Q4_0 for benchmarks. Needs the programs that `npm run build:native` makes.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defaultModel, ensureDefaultModel } from './default-model.mjs';
import { cacheFolder } from './lib/cache-folder.mjs';
import { UserError } from './lib/user-error.mjs';
import { root } from './lib/workspace.mjs';

const program = join(root, 'packages/engine-llamacpp/build/native/reference/reference_requantize');

/** @typedef {'f16' | 'f32' | 'q4_0'} WeightType what the program can write */

/**
 * Path of the default model with its weights in another type, converted by llama.cpp itself; made
 * once and kept in the cache folder, named after the source's sha256. Two processes may call it at
 * once.
 *
 * @param {WeightType} type F16 takes 271 MB, F32 540 MB, Q4_0 90 MB
 * @returns {Promise<string>}
 * @throws {UserError} when the program that converts has not been built.
 */
export async function ensureRequantizedModel(type) {
  const folder = join(cacheFolder(), 'models');
  const name = `smollm2-135m-instruct-${defaultModel.sha256.slice(0, 12)}.${type}.gguf`;
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const source = await ensureDefaultModel();
  await mkdir(folder, { recursive: true });
  const aside = await mkdtemp(join(folder, '.convert-'));
  try {
    const made = join(aside, name);
    await requantize(source, made, type);
    // Whoever comes last replaces a file by an equal one.
    await rename(made, path);
    return path;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/**
 * Writes a GGUF file with the weights of another in another type.
 *
 * @param {string} source
 * @param {string} target
 * @param {WeightType} type
 * @throws {UserError} when the program that converts has not been built.
 */
export async function requantize(source, target, type) {
  if (!existsSync(program)) {
    throw new UserError(`${program} is missing: run "npm run build:native" first.`);
  }
  await promisify(execFile)(program, [source, target, type]);
}
