import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StoredModel } from '@mobillm/core';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startModels, type Outcome } from './run-models.js';
import { serveFile, type FileServer } from './serve-file.js';

const model = tinyLlamaGguf({ seed: 1 });
let folder: string;
let servers: FileServer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-models-'));
  servers = [];
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await rm(folder, { recursive: true, force: true });
});

const serve = async (...args: Parameters<typeof serveFile>) => {
  const server = await serveFile(...args);
  servers.push(server);
  return server;
};
const models = (...args: readonly string[]) => startModels(join(folder, 'store'), args).outcome;
/** Bytes of records in the journal of the one download. */
async function journalBytes(): Promise<number> {
  const downloads = join(folder, 'store/downloads');
  const names = await readdir(downloads, { recursive: true }).catch(() => []);
  const journal = names.find((name) => name.endsWith('.journal'));
  if (journal === undefined) return 0;
  const bytes = await readFile(join(downloads, journal));
  return bytes.byteLength - bytes.indexOf(10) - 1;
}

/** The one JSON document that a run wrote. */
const json = ({ output }: Outcome): unknown => {
  expect(output.trimEnd()).not.toContain('\n');
  return JSON.parse(output);
};

describe('a model', () => {
  it('is pulled, listed, found, verified and removed', async () => {
    const { reference } = await serve(model);
    expect(await models('list')).toMatchObject({ status: 0, output: 'The store is empty.\n' });
    const pulled = await models('pull', reference);
    expect(pulled).toMatchObject({ status: 0, output: 'tiny: 439 kB, llama, F32\n' });
    expect(pulled.log).toContain('100 %');
    expect((await models('list')).output).toMatch(
      /^name +size .*\ntiny +439 kB +F32 +owned +never\n$/,
    );
    const { output: path } = await models('where', 'tiny');
    expect((await readFile(path.trimEnd())).equals(model)).toBe(true);
    expect((await models('list')).output).not.toContain('never');
    expect(await models('verify')).toMatchObject({ status: 0, output: 'tiny: ok\n' });
    expect(await models('remove', 'tiny')).toMatchObject({ status: 0, output: 'tiny: removed\n' });
    expect(existsSync(path.trimEnd())).toBe(false);
  });

  it('is told as one JSON document in a pipe', async () => {
    const { reference } = await serve(model);
    const pulled = json(await models('pull', reference, '--json', '--name', 'mine')) as StoredModel;
    expect(pulled).toMatchObject({ name: 'mine', ownership: 'owned', origin: { reference } });
    expect(json(await models('list', '--json'))).toEqual([pulled]);
    expect(json(await models('where', 'mine', '--json'))).toEqual(pulled);
    expect(json(await models('verify', '--json'))).toMatchObject({
      ok: true,
      models: [{ name: 'mine', report: { ok: true } }],
    });
    expect(json(await models('pin', 'mine', '--json'))).toMatchObject([{ pinned: true }]);
    expect(json(await models('prune', '--max-size', '0', '--json'))).toMatchObject({ removed: [] });
    expect(json(await models('pin', 'mine', '--off', '--json'))).toMatchObject([{ name: 'mine' }]);
    expect(json(await models('prune', '--max-size', '0', '--json'))).toMatchObject({
      removed: [{ kind: 'model', name: 'mine', freedBytes: model.byteLength }],
      ownedBytes: 0,
    });
  });

  it('is added where it lies, or taken in', async () => {
    const path = join(folder, 'file.gguf');
    await writeFile(path, model);
    expect(await models('add', path)).toMatchObject({ status: 0 });
    expect((await models('where', 'file')).output).toBe(`${path}\n`);
    const moved = await models(
      'add',
      path,
      '--move',
      '--name',
      'own',
      '--derived-from',
      'file',
      '--json',
    );
    expect(json(moved)).toMatchObject({
      name: 'own',
      ownership: 'owned',
      derivedFrom: { name: 'file' },
    });
  });

  it('that is damaged is told by the exit status, and mended', async () => {
    const server = await serve(model);
    await models('pull', server.reference);
    const { output: path } = await models('where', 'tiny');
    const file = await open(path.trimEnd(), 'r+');
    await file.write('spoilt', 100_000);
    await file.close();
    const before = server.sentBytes;
    expect(await models('verify', 'tiny')).toMatchObject({
      status: 1,
      output: expect.stringContaining('tiny: changed') as string,
    });
    expect(await models('verify', 'tiny', '--repair')).toMatchObject({
      status: 0,
      output: 'tiny: ok, mended by 66 kB\n',
    });
    expect(server.sentBytes - before).toBe(2 ** 16);
  });
});

describe('other apps', () => {
  it('get a model, and are found to have it', async () => {
    const path = join(folder, 'file.gguf');
    await writeFile(path, model);
    await models('add', path, '--move', '--name', 'mine');
    const ollama = join(folder, 'ollama');
    const exported = await models(
      'export',
      'ollama',
      'mine',
      '--as',
      'small:q4',
      '--folder',
      ollama,
    );
    expect(exported).toMatchObject({ status: 0 });
    expect(exported.output).toMatch(/^mine: in ollama as small:q4\n {2}linked {2}/);
    const here = { OLLAMA_MODELS: ollama };
    const found = json(
      await startModels(join(folder, 'store'), ['discover', '--json'], here).outcome,
    );
    expect(found).toMatchObject([{ app: 'ollama', name: 'small:q4' }]);
    const added = await startModels(
      join(folder, 'other'),
      ['add', 'ollama:small:q4', '--json'],
      here,
    ).outcome;
    expect(json(added)).toMatchObject({ name: 'small:q4', ownership: 'linked', app: 'ollama' });
    const again = await models('export', 'ollama', 'mine', '--as', 'small:q4', '--folder', ollama);
    expect(again).toMatchObject({ status: 0 });
    expect(again.output).toContain('present');
  });

  it('are two, and no others', async () => {
    const { status, log } = await models('export', 'gpt4all', 'mine');
    expect(status).toBe(2);
    expect(log).toContain('a model goes to "ollama" or "hugging-face", not to "gpt4all"');
  });

  it('are looked at in folders that are named', async () => {
    await writeFile(join(folder, 'file.gguf'), model);
    const { output } = await models('discover', folder);
    expect(output).toMatch(/^app +name .*\nfolder +file +439 kB +F32 +\/.*file\.gguf\n$/);
  });
});

describe('Ctrl-C', () => {
  it('ends a pull, says that the next one goes on, and so it does', async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const server = await serve(model, { mostBytes: 300_000, release: released });
    const running = startModels(join(folder, 'store'), ['pull', server.reference, '--json']);
    await expect.poll(journalBytes, { timeout: 30_000 }).toBeGreaterThanOrEqual(4 * 12);
    running.interrupt();
    const stopped = await running.outcome;
    expect(stopped).toMatchObject({
      status: 130,
      log: expect.stringContaining('the same pull goes on from there') as string,
    });
    expect(json(stopped)).toMatchObject({
      error: { message: expect.stringContaining('Stopped') as string },
    });
    release();
    const before = server.sentBytes;
    expect(await models('pull', server.reference)).toMatchObject({ status: 0 });
    expect(server.sentBytes - before).toBeLessThan(model.byteLength - 3 * 2 ** 16);
    expect(await models('verify')).toMatchObject({ status: 0 });
  });
});

describe('what cannot be done', () => {
  it('is told by a sentence, a code and the exit status', async () => {
    const unknown = await models('where', 'tony', '--json');
    expect(unknown.status).toBe(1);
    expect(json(unknown)).toMatchObject({ error: { code: 'MODEL_NOT_FOUND' } });
    expect(unknown.log).toContain('The store has no model "tony".');
    const full = await serve(model);
    const pulled = await models('pull', full.reference, '--max-size', '100kB', '--json');
    expect(json(pulled)).toMatchObject({
      error: { code: 'STORE_FULL', details: { maxBytes: 100_000 } },
    });
    expect(await models('remove', 'tony')).toMatchObject({ status: 1, output: '' });
  });

  it.each([
    [[], 'Keeps language models'],
    [['fetch'], 'there is no command "fetch"'],
    [['pull'], '"pull" needs <reference>'],
    [['list', 'a'], '"a" is one argument too many'],
    [['list', '--all'], "Unknown option '--all'"],
    [['prune', '--max-size', 'much'], '--max-size must be a size such as 20GB'],
    [['prune', '--older-than', '-1'], '--older-than'],
    [['pull', 'hf:'], 'hf:'],
    [['where', '../up'], '..'],
  ])('%j is a command line that cannot be understood', async (args, words) => {
    const { status, output, log } = await models(...args);
    expect(status).toBe(2);
    expect(output + log).toContain(words);
  });
});

describe('help', () => {
  it('lists the commands, and tells of each', async () => {
    const { output } = await models('--help');
    const names = [...output.matchAll(/^ {2}(\w+) .* {2}\S/gm)].map(([, name]) => name);
    expect(names).toContain('pull');
    for (const name of names.filter((found) => found !== 'models')) {
      const help = await models(name ?? '', '--help');
      expect(help).toMatchObject({ status: 0, log: '' });
      expect(help.output).toContain(`models ${name}`);
      expect(help.output).toContain('--json');
    }
  });
});

it('a reader that has had enough is no failure', async () => {
  const path = join(folder, 'file.gguf');
  await writeFile(path, model);
  await models('add', path);
  const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
  const child = spawn('sh', ['-c', `"$0" "$1" list | true`, process.execPath, cli], {
    env: { ...process.env, MOBILLM_HOME: join(folder, 'store') },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  expect(log).toBe('');
});
