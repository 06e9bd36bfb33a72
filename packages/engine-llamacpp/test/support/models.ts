import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelFiles } from '@mobillm/core';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { afterAll } from 'vitest';
import { ensureDefaultModel } from '../../../../scripts/default-model.mjs';

/** Path of the real model that tests generate with: SmolLM2-135M-Instruct, Q4_1. */
export const defaultModelPath = process.env['MOBILLM_TEST_MODEL'] ?? (await ensureDefaultModel());

/** A path as the files of a model. */
export function filesOf(path: string): ModelFiles {
  return { format: 'gguf', files: [{ path, role: 'weights' }] };
}

/** A folder that is gone when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mobillm-llamacpp-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes the tiny model of random weights into a folder. */
export async function writeTinyModel(
  folder: string,
  options?: Parameters<typeof writeTinyLlamaGguf>[1],
): Promise<string> {
  const path = join(folder, `tiny-${Math.random().toString(36).slice(2)}.gguf`);
  await writeTinyLlamaGguf(path, options);
  return path;
}
