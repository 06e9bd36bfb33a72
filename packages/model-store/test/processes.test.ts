import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { nodeFileSystem } from '../src/file-system/node.js';
import { createModelStore } from '../src/index.js';
import { deadProcessName } from './faulty-file-system.js';
import { temporaryFolder } from './temporary-folder.js';

const folder = temporaryFolder();

it('several processes change one store; killed at any moment, they leave it sound', async () => {
  const directory = `${folder.path}/store`;
  const file = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(file);
  const store = createModelStore({ directory });
  await store.add(file, { name: 'kept' });
  for (let round = 0; round < 4; round++) {
    const script = fileURLToPath(new URL('./worker.mjs', import.meta.url));
    const workers = ['a', 'b'].map((id) =>
      spawn(process.execPath, [script, directory, file, id], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    // Each has added once, so both are in the middle of it.
    await Promise.all(workers.map((worker) => once(worker.stdout, 'data')));
    await store.add(file, { name: `round ${round}` });
    const ended = workers.map((worker) => once(worker, 'exit'));
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(ended);

    const problems: Error[] = [];
    const again = createModelStore({ directory, onProblem: (error) => problems.push(error) });
    const models = await again.list();
    expect(problems).toEqual([]);
    for (const { name } of models) {
      await again.resolve(name);
      expect(await again.verify(name)).toMatchObject({ ok: true });
      if (/^[ab]-/.test(name)) await again.remove(name);
    }
    await again.add(file, { name: `after ${round}` });
    expect(await readdir(`${directory}/temporary`)).toEqual([]);
  }
  const rounds = (word: string) => [0, 1, 2, 3].map((round) => `${word} ${round}`);
  const names = (await store.list()).map(({ name }) => name);
  expect(names).toEqual([...rounds('after'), 'kept', ...rounds('round')]);
}, 60_000);

it('the lock of a process that has ended is taken over', async () => {
  const directory = `${folder.path}/store`;
  const file = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(file);
  const { writeFile } = await import('node:fs/promises');
  await mkdir(`${directory}/lock`, { recursive: true });
  await writeFile(`${directory}/lock/${deadProcessName(nodeFileSystem)}~x-0`, '');
  await createModelStore({ directory }).add(file);
  expect(await readdir(directory)).not.toContain('lock');
});

it('a call that waits for the lock of a living process can be aborted', async () => {
  const directory = `${folder.path}/store`;
  const file = `${folder.path}/tiny.gguf`;
  await writeTinyLlamaGguf(file);
  const { writeFile } = await import('node:fs/promises');
  await mkdir(`${directory}/lock`, { recursive: true });
  await writeFile(`${directory}/lock/${nodeFileSystem.processName()}~another-0`, '');
  const store = createModelStore({ directory });
  const adding = store.add(file);
  const failed = expect(adding).rejects.toMatchObject({ code: 'CLOSED' });
  await store.close();
  await failed;
  expect(await createModelStore({ directory }).list()).toEqual([]);
});
