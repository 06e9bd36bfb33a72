import type { MobillmError } from '@mobillm/core';
import { tinyLlamaGguf, tinyLlamaParts } from '@mobillm/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { hubServers, type HubOptions } from '../servers/hub-server.js';
import { modelScopeServers } from '../servers/modelscope-server.js';
import { safetensorsFolder, type Folder } from '../support/model-folders.js';
import { modelOf } from '../support/quantized-models.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const start = hubServers();
const startModelScope = modelScopeServers();
const model = tinyLlamaGguf({ seed: 1 });
const other = tinyLlamaGguf({ seed: 2 });

beforeEach(() => {
  vi.stubEnv('HF_HOME', folder.path);
  vi.stubEnv('HF_TOKEN', undefined);
});
afterEach(() => void vi.unstubAllEnvs());

/** A hub, another one, and a store that knows both; large files of the first may be out of its reach. */
async function hubsOf(hugging: Folder, modelScope: Folder, options?: HubOptions) {
  const hub = await start([{ id: 'owner/Tiny', files: hugging }], options);
  const mirror = await startModelScope('other/Tiny', modelScope);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('MODELSCOPE_ENDPOINT', mirror.endpoint);
  const problems: MobillmError[] = [];
  const store = createModelStore({
    directory: `${folder.path}/store`,
    onProblem: (error) => problems.push(error),
  });
  return { hub, mirror, store, problems };
}

describe('a mirror at another hub', () => {
  it.each([
    'modelscope:other/Tiny:Its-Q4_K_M.gguf',
    'modelscope:other/Tiny:Q4_K_M',
    'modelscope:other/Tiny',
  ])('%s is asked where it tells the same sha256', async (reference) => {
    const { store, mirror, problems } = await hubsOf(
      { 'Tiny-Q4_K_M.gguf': model },
      { 'Its-Q4_K_M.gguf': model, 'Its-Q8_0.gguf': other },
      { signedUses: 0 },
    );
    await using _ = store;
    const pulled = await store.pull('hf:owner/Tiny', { mirrors: [reference] });
    // The hub lists its files, and gives none.
    expect(problems).toMatchObject([{ code: 'ACCESS_DENIED' }]);
    expect(mirror.asked).toContain('Its-Q4_K_M.gguf');
    expect(mirror.asked).not.toContain('Its-Q8_0.gguf');
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });

  it('serves for a model in several files, and for a folder', async () => {
    const parts = tinyLlamaParts(2);
    const split = { 'T-00001-of-00002.gguf': parts[0]!, 'T-00002-of-00002.gguf': parts[1]! };
    for (const files of [split, safetensorsFolder(true)]) {
      const { store, mirror } = await hubsOf(files, files, { signedUses: 0 });
      await using _ = store;
      const pulled = await store.pull('hf:owner/Tiny', {
        name: `model-${Object.keys(files).length}`,
        mirrors: ['modelscope:other/Tiny'],
      });
      expect(mirror.asked.length).toBeGreaterThanOrEqual(2);
      expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
    }
  });

  it.each([
    [
      'with other content',
      'modelscope:other/Tiny:Its.gguf',
      'INTEGRITY_FAILED',
      /its file has the sha256 .* and not/,
    ],
    [
      'with nothing of it',
      'modelscope:other/Tiny',
      'INTEGRITY_FAILED',
      /its file has|none of its files/,
    ],
    ['that is missing', 'modelscope:other/None', 'MODEL_NOT_FOUND', /no repository "other\/None"/],
    [
      'without the file',
      'modelscope:other/Tiny:gone.gguf',
      'MODEL_NOT_FOUND',
      /has no "gone\.gguf"/,
    ],
  ])('%s is told and left out', async (_, reference, code, sentence) => {
    const { store, mirror, problems } = await hubsOf({ 'Tiny.gguf': model }, { 'Its.gguf': other });
    await using __ = store;
    const pulled = await store.pull('hf:owner/Tiny', { mirrors: [reference] });
    expect(problems).toMatchObject([{ code }]);
    expect(problems[0]?.message).toMatch(sentence);
    expect(mirror.asked).toEqual([]);
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });

  it('stands in for a hub that goes away meanwhile', async () => {
    const large = modelOf(8);
    const { store, mirror, hub } = await hubsOf({ 'Tiny.gguf': large }, { 'Its.gguf': large });
    await using _ = store;
    let closing: Promise<void> | undefined;
    const pulled = await store.pull('hf:owner/Tiny', {
      connections: 1,
      mirrors: ['modelscope:other/Tiny'],
      onProgress: () => void (closing ??= hub.close()),
    });
    await closing;
    expect(mirror.asked.length).toBeGreaterThan(0);
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });

  it('is no file of this device', async () => {
    const { store } = await hubsOf({ 'Tiny.gguf': model }, {});
    await using _ = store;
    await expect(store.pull('hf:owner/Tiny', { mirrors: ['/tmp/a.gguf'] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      key: 'options.mirrors[0]',
    });
  });
});
