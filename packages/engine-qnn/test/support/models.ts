import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CompileProgress, ModelFiles } from '@mobillm/core';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { compiledModelsFolder } from '../../scripts/test-cache.mjs';
import { createQnnCompiler, type QnnCompileOptions } from '../../src/compile/index.js';
import './emulator.js';

/** How tests compile, unless they are about something else. */
export const defaultCompileOptions = { chunkTokens: 32, contextTokens: 512 } as const;

/** Our own sources that decide what a graph is: another text, another compilation. */
function compilerHash(): string {
  const hash = createHash('sha256');
  const folder = fileURLToPath(new URL('../../native', import.meta.url));
  for (const name of readdirSync(folder).sort()) {
    if (/\.[ch]pp$/.test(name)) hash.update(`${name}\0`).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex');
}

/**
 * Compiles a GGUF file into the cache that all checkouts share, in a folder whose name says what it is
 * made of; an earlier run's result is taken as it is.
 */
export async function compileCached(
  gguf: string,
  options: QnnCompileOptions = defaultCompileOptions,
  onProgress?: (progress: CompileProgress) => void,
): Promise<ModelFiles> {
  const key = createHash('sha256')
    .update(readFileSync(gguf))
    .update(compilerHash())
    .update(JSON.stringify(options))
    .digest('hex')
    .slice(0, 16);
  return createQnnCompiler().compile(gguf, {
    folder: join(compiledModelsFolder, key),
    compilerOptions: { ...options },
    ...(onProgress && { onProgress }),
  });
}

/** Writes the tiny model of random weights into a folder; another seed gives another model. */
export function writeTinyModel(folder: string, seed = 1): string {
  const path = join(folder, `tiny-${seed}.gguf`);
  writeFileSync(path, tinyLlamaGguf({ seed }));
  return path;
}

/** Path of the manifest among the files of a compiled model. */
export function manifestPathOf(files: ModelFiles): string {
  return files.files[0]!.path;
}

/** The files of a model as somebody names them who has only the manifest's path, or the folder's. */
export function filesOf(path: string): ModelFiles {
  return { format: 'qnn-context', files: [{ path, role: 'weights' }] };
}
