import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ModelFiles } from '@mobillm/core';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { createMlcCompiler } from '@mobillm/engine-mlc/compile';
import { createQnnCompiler } from '@mobillm/engine-qnn/compile';
import { afterAll } from 'vitest';
import { requantize } from '../../../../scripts/requantized-model.mjs';
import { cacheFolder } from '../../../../scripts/lib/cache-folder.mjs';
import { contentHash } from '../../../../scripts/lib/content-hash.mjs';
import './libraries.js';

/** A path as the files of a GGUF model. */
export function gguf(path: string): ModelFiles {
  return { format: 'gguf', files: [{ path, role: 'weights' }] };
}

/** A folder that is gone when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mobillm-integration-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes the tiny model of random weights into a folder, its weights in one type. */
export async function writeTinyModel(folder: string, type: 'f16' | 'f32'): Promise<string> {
  const [source, path] = [join(folder, 'tiny.gguf'), join(folder, `tiny-${type}.gguf`)];
  await writeTinyLlamaGguf(source);
  await requantize(source, path, type);
  return path;
}

/** Compiles for MLC; kept in the cache folder under a name, and reused for the same source. */
export function compileForMlc(path: string, name: string): Promise<ModelFiles> {
  return createMlcCompiler().compile(path, {
    folder: compiledFolder('mlc', name),
    compilerOptions: { quantization: 'f32' },
  });
}

/** Compiles for the Hexagon emulator; kept in the cache folder like {@link compileForMlc}. */
export function compileForQnn(
  path: string,
  name: string,
  compilerOptions: Readonly<Record<string, unknown>> = {},
): Promise<ModelFiles> {
  return createQnnCompiler().compile(path, {
    folder: compiledFolder('qnn', name),
    compilerOptions,
  });
}

/** Whether a folder was left alone for a day: another checkout may be using a younger one. */
function isOld(folder: string): boolean {
  return Date.now() - statSync(folder).mtimeMs > 24 * 60 * 60 * 1000;
}

/** A folder whose name says by which sources of ours its content was made. */
function compiledFolder(engine: 'mlc' | 'qnn', name: string): string {
  const sources = fileURLToPath(
    new URL(`../../../../packages/engine-${engine}/native`, import.meta.url),
  );
  const key = contentHash([sources]).slice(0, 12);
  const [parent, start] = [join(cacheFolder(), 'compiled'), `${engine}-${name}-`];
  // What earlier sources made is hundreds of megabytes that nobody asks for again.
  for (const other of existsSync(parent) ? readdirSync(parent) : []) {
    const ours = other.startsWith(start) && /^[0-9a-f]{12}$/.test(other.slice(start.length));
    if (ours && other !== `${start}${key}` && isOld(join(parent, other))) {
      rmSync(join(parent, other), { recursive: true, force: true });
    }
  }
  return join(parent, `${start}${key}`);
}
