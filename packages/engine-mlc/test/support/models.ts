import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelFiles } from '@mobillm/core';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { afterAll } from 'vitest';
import { cacheFolder } from '../../../../scripts/lib/cache-folder.mjs';
import { ensureDefaultModel } from '../../../../scripts/default-model.mjs';
import { createMlcCompiler } from '../../src/compile/index.js';
import './runtime.js';

/** Files of a folder that holds a compiled model. */
export function filesOf(path: string): ModelFiles {
  return { format: 'mlc', files: [{ path, role: 'weights' }] };
}

/** A folder that is gone when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mobillm-mlc-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}

/**
 * Folder of SmolLM2-135M-Instruct compiled in 4 bits for this machine; compiled when it is not in the cache
 * that all checkouts share.
 */
export async function compiledDefaultModel(): Promise<string> {
  const source = process.env['MOBILLM_TEST_MODEL'] ?? (await ensureDefaultModel());
  return compiled(source, 'mlc-smollm2-q4f32', 'q4f32');
}

/** Folder of the tiny model of random weights, compiled and kept like {@link compiledDefaultModel}. */
export async function compiledTinyModel(): Promise<string> {
  const aside = mkdtempSync(join(tmpdir(), 'mobillm-mlc-tiny-'));
  try {
    const source = join(aside, 'tiny.gguf');
    await writeTinyLlamaGguf(source);
    return await compiled(source, 'mlc-tiny-f32', 'f32');
  } finally {
    rmSync(aside, { recursive: true });
  }
}

async function compiled(
  source: string,
  name: string,
  quantization: 'f32' | 'q4f32',
): Promise<string> {
  const folder = join(cacheFolder(), 'compiled', name);
  await createMlcCompiler().compile(source, { folder, compilerOptions: { quantization } });
  return folder;
}
