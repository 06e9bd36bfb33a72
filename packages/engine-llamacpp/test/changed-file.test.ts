import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { validateGguf } from '@mobillm/core';
import { type GgufWriterValue, tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { createLlamaCppDriver } from '../src/index.js';
import { filesOf, temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const openOptions = { contextTokens: 128, sequences: 1, threads: 1, engineOptions: {} } as const;

describe('a model file', () => {
  it('that is replaced after its header was checked is not loaded', async () => {
    const driver = await createLlamaCppDriver();
    const path = await writeTinyModel(folder);
    const other = join(folder, 'other.gguf');
    writeFileSync(other, Buffer.concat([tinyLlamaGguf(), Buffer.alloc(64)]));
    // The header of these files is known from now on, and checked no second time.
    const files = filesOf(path);
    await driver.inspect(files);
    const opening = driver.open(files, {
      ...openOptions,
      engineOptions: Object.defineProperty({}, 'batchTokens', {
        enumerable: true,
        get: () => {
          queueMicrotask(() => {
            renameSync(other, path);
          });
          return 16;
        },
      }),
    });
    await expect(opening).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    await driver.close?.();
  });

  it.each(['llada', 'dream'])('of the diffusion model %s is refused, not run', async (name) => {
    const driver = await createLlamaCppDriver();
    const path = await writeTinyModel(folder, { metadata: await asArchitecture(name) });
    const opening = driver.open(filesOf(path), openOptions);
    await expect(opening).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('token by token') as string,
    });
    await driver.close?.();
  });

  it('with an alignment that the library cannot map is refused, not opened', async () => {
    const driver = await createLlamaCppDriver();
    const path = await writeTinyModel(folder, {
      metadata: { 'general.alignment': { type: 'uint32', value: 8 } },
    });
    await expect(driver.open(filesOf(path), openOptions)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    });
    await driver.close?.();
  });
});

/** Metadata that makes the tiny model one of another architecture with the same shapes. */
async function asArchitecture(name: string): Promise<Record<string, GgufWriterValue>> {
  const bytes = tinyLlamaGguf();
  const { metadata } = await validateGguf({
    byteLength: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    close: () => Promise.resolve(),
  });
  const renamed: Record<string, GgufWriterValue> = { 'general.architecture': name };
  for (const [key, { type, value }] of metadata) {
    if (!key.startsWith('llama.') || type === 'array' || value === undefined) continue;
    renamed[key.replace('llama.', `${name}.`)] = { type, value };
  }
  return renamed;
}
