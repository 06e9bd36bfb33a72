import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { Journal } from '../../src/download/journal.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { seededRandom } from '../random.js';
import { fileServers } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const kills = 100;
/** A model, and much behind its tensors. */
const model = Buffer.concat([tinyLlamaGguf({ seed: 1 }), Buffer.alloc(24 * 2 ** 20, 'content')]);
const sha256 = createHash('sha256').update(model).digest('hex');

/**
 * Starts a process that pulls, and kills it after a while; tells how many bytes it had read by then. What a
 * connection reads of a range whose end another one has taken over is not counted: it comes twice without any
 * crash.
 */
async function pullAndKill(directory: string, reference: string, afterMs: number): Promise<number> {
  const script = fileURLToPath(new URL('./pull-worker.mjs', import.meta.url));
  const log = `${folder.path}/log`;
  const worker = spawn(process.execPath, [script, directory, reference, log], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(worker, 'exit') as Promise<[number | null, string | null]>;
  await once(worker.stdout, 'data');
  await Promise.race([wait(afterMs), exit]);
  worker.kill('SIGKILL');
  const [status, signal] = await exit;
  expect(signal === 'SIGKILL' || status === 0).toBe(true);
  const { buffer, byteOffset, byteLength } = await readFile(log);
  const numbers = new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const firsts = numbers.filter((_, at) => at % 3 === 0);
  return firsts.reduce((sum, first, request) => {
    const [, last = 0, received = 0] = numbers.subarray(3 * request);
    const later = firsts.subarray(request + 1).filter((other) => other > first && other <= last);
    return sum + Math.min(received, Math.min(last + 1, ...later) - first);
  }, 0);
}

async function recordedBytes(downloads: string): Promise<number> {
  const [name] = await readdir(downloads).catch(() => []);
  if (name === undefined) return 0;
  const content = `${downloads}/${name}/content`;
  return Journal.recordedBytes(nodeFileSystem, `${content}.journal`, content);
}

it(`killed at ${kills} random moments, a pull leaves whole models alone and repeats a mebibyte at most`, async () => {
  const server = await serve(model);
  const random = seededRandom(7);
  let ended = 0;
  let interrupted = 0;
  let worst = 0;
  let round = 0;
  const fresh = () => ({
    directory: `${folder.path}/store-${round}`,
    reference: `${server.url}#sha256=${sha256}`,
  });
  let at = fresh();
  for (let kill = 0; kill < kills; kill++) {
    const downloads = `${at.directory}/downloads`;
    const before = await recordedBytes(downloads);
    const receivedBytes = await pullAndKill(at.directory, at.reference, 400 * random());

    const problems: unknown[] = [];
    const onProblem = (error: unknown) => problems.push(error);
    await using store = createModelStore({ directory: at.directory, onProblem });
    const models = await store.list();
    expect(problems).toEqual([]);
    if (models.length > 0) {
      ended++;
      expect(await store.verify('model')).toMatchObject({ ok: true });
      expect(models[0]?.files.files).toMatchObject([{ sha256, fileBytes: model.byteLength }]);
      // Nothing of the download is in the way of the next one.
      round++;
      at = fresh();
      continue;
    }
    if (receivedBytes > 0) interrupted++;
    const kept = (await recordedBytes(downloads)) - before;
    // The size was asked for by one byte.
    worst = Math.max(worst, receivedBytes - kept);
    expect(receivedBytes - kept).toBeLessThanOrEqual(2 ** 20 + 1);
  }
  console.info(
    `${interrupted} pulls were killed in the middle, ${ended} had ended; at most ${worst} bytes come again`,
  );
  expect(interrupted).toBeGreaterThan(0);
  await using store = createModelStore({ directory: at.directory });
  await store.pull(at.reference);
  expect(await store.verify('model')).toMatchObject({ ok: true });
}, 300_000);
