import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createModelStore } from '../../src/index.js';
import { listen, stop } from '../servers/http-servers.js';
import { noRegistry, registryServer } from '../servers/registry-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');
const text = (words: string) => new TextEncoder().encode(words);
const openStore = () => createModelStore({ directory: `${folder.path}/store` });

describe.skipIf(noRegistry)(`a model of a registry${noRegistry ? ` (${noRegistry})` : ''}`, () => {
  const registry = registryServer();

  it('is pulled with its template, its parameters and its licence', async () => {
    const digest = await registry.push('library/tiny', 'latest', [
      { kind: 'model', bytes: model },
      { kind: 'template', bytes: text('{{ .Prompt }}') },
      { kind: 'params', bytes: text('{"stop":["x"]}') },
      { kind: 'license', bytes: text('Apache License') },
      { kind: 'license', bytes: text('and another one') },
    ]);
    await using store = openStore();
    const reference = `ollama:${registry.host}/library/tiny`;
    const pulled = await store.pull(reference);
    expect(pulled).toMatchObject({
      name: `${registry.host}/library/tiny:latest`,
      origin: { reference: `${reference}:latest`, revision: digest },
    });
    expect(pulled.files.files.map(({ role, path }) => [role, path.split('/').pop()])).toEqual([
      ['weights', 'model.gguf'],
      ['config', 'template.txt'],
      ['config', 'params.json'],
      ['license', 'license.txt'],
      ['license', 'license-2.txt'],
    ]);
    expect(pulled.files.files[0]?.sha256).toBe(sha256);
    expect(await readFile(pulled.files.files[3]!.path, 'utf8')).toBe('Apache License');
    expect(await store.verify(pulled.name)).toMatchObject({ ok: true });
  });

  it('a layer that two models share is fetched once', async () => {
    await registry.push('team/one', 'a', [{ kind: 'model', bytes: model }]);
    await registry.push('team/one', 'b', [
      { kind: 'model', bytes: model },
      { kind: 'system', bytes: text('You are kind.') },
    ]);
    await using store = openStore();
    const a = await store.pull(`ollama:${registry.host}/team/one:a`);
    const b = await store.pull(`ollama:${registry.host}/team/one:b`);
    const { stat } = await import('node:fs/promises');
    const [one, two] = [a, b].map(({ files }) => files.files[0]!.path);
    expect((await stat(one!)).ino).toBe((await stat(two!)).ino);
  });

  it.each([
    ['team/none:a', 'MODEL_NOT_FOUND', /has no model "team\/none" with the tag "a"/],
    ['team/mlx:a', 'MODEL_UNSUPPORTED', /made for MLX/],
    ['team/cloud:a', 'MODEL_UNSUPPORTED', /holds no weights/],
    ['team/broken:a', 'MODEL_INVALID', /not a GGUF/i],
  ])('%s fails with %s', async (name, code, sentence) => {
    await registry.push('team/mlx', 'a', [{ kind: 'tensor', bytes: text('x') }]);
    await registry.push('team/cloud', 'a', [{ kind: 'system', bytes: text('x') }]);
    await registry.push('team/broken', 'a', [{ kind: 'model', bytes: text('no model') }]);
    await using store = openStore();
    const failing = store.pull(`ollama:${registry.host}/${name}`);
    await expect(failing).rejects.toMatchObject({ code });
    await expect(failing).rejects.toThrow(sentence);
  });
});

describe('a registry that wants a token', () => {
  it('gets the one that it names, for its own addresses', async () => {
    const seen: (string | undefined)[] = [];
    const manifest = JSON.stringify({
      layers: [
        {
          mediaType: 'application/vnd.ollama.image.model',
          digest: `sha256:${sha256}`,
          size: model.byteLength,
        },
      ],
    });
    const server = createServer((request, response) => {
      const { url = '', headers } = request;
      const host = `http://${headers.host}`;
      if (url.startsWith('/token?service=models&scope=repository')) {
        response.end(JSON.stringify({ token: 'abc' }));
      } else if (headers.authorization !== 'Bearer abc') {
        const challenge = `Bearer realm="${host}/token",service="models",scope="repository:a/b:pull"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      } else if (url.includes('/manifests/')) {
        response.end(manifest);
      } else {
        seen.push(headers.authorization);
        response.writeHead(200, { 'content-length': model.byteLength }).end(model);
      }
    });
    const port = await listen(server, '127.0.0.1');
    onTestFinished(() => stop(server));
    await using store = openStore();
    const pulled = await store.pull(`ollama:127.0.0.1:${port}/a/b`);
    expect(pulled.files.files[0]?.sha256).toBe(sha256);
    expect(seen[0]).toBe('Bearer abc');
  });
});
