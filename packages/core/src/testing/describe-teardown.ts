import { describe, expect, it } from 'vitest';

/** What {@link describeTeardown} needs. */
export interface DescribeTeardownOptions {
  /**
   * A JavaScript module (a file URL) that exports `open(onProgress?)`: it opens a model, passing the
   * progress callback on, and gives a `Model`. It is loaded in child processes and worker threads.
   */
  readonly entry: URL;
  /** Longest time that a child process may take; one that hangs is killed and fails. Default 90 s. */
  readonly childTimeoutMs?: number;
}

/** What a child process came to. */
interface Outcome {
  readonly exitCode: number | null;
  readonly killedBy: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * How an engine goes down with its thread or process, in child processes, so that a crash is a failed
 * test and not the end of the run.
 */
export function describeTeardown(name: string, options: DescribeTeardownOptions): void {
  const entry = options.entry.href;
  const run = (source: string) => runChild(source, options.childTimeoutMs ?? 90_000);
  describe(`${name} goes down in order`, () => {
    const alive = { exitCode: 0, killedBy: null, stdout: 'alive\n' };

    it('a worker thread terminated in the middle of a stream leaves the process alive', async () => {
      expect(await run(terminateWorkers(entry, 'streaming', 3))).toMatchObject(alive);
    }, 120_000);

    it('a worker thread terminated while it loads leaves the process alive', async () => {
      expect(await run(terminateWorkers(entry, 'loading', 3))).toMatchObject(alive);
    }, 120_000);

    it('two worker threads stream at once, and the process outlives one of them', async () => {
      expect(await run(outliveOneWorker(entry))).toMatchObject(alive);
    }, 120_000);

    it('process.exit() in the middle of a stream keeps its exit code', async () => {
      expect(await run(exitWhileStreaming(entry))).toMatchObject({
        exitCode: 7,
        killedBy: null,
      });
    }, 120_000);

    it('a model that is closed while the process exits keeps its exit code', async () => {
      expect(await run(closeOnExit(entry))).toMatchObject({ exitCode: 7, killedBy: null });
    }, 120_000);

    it('a model that was left open does not keep the process alive', async () => {
      expect(await run(leaveOpen(entry))).toMatchObject(alive);
    }, 120_000);
  });
}

/** Streams without end and tells its parent how far it is. */
const workerSource = (entry: string) => `
  const { parentPort } = await import('node:worker_threads');
  const { open } = await import(${JSON.stringify(entry)});
  const model = await open(() => parentPort.postMessage('loading'));
  for (;;) {
    for await (const event of model.generate({ prompt: 'Once upon a time', temperature: 1 })) {
      if (event.type === 'text') parentPort.postMessage('streaming');
    }
  }
`;

const spawnWorker = (entry: string) => `
  const { Worker } = await import('node:worker_threads');
  const source = ${JSON.stringify(workerSource(entry))};
  const start = (state) => new Promise((resolve, reject) => {
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)));
    worker.on('message', (message) => { if (message === state) resolve(worker); });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error('the worker ended by itself with ' + code)));
  });
`;

const terminateWorkers = (entry: string, state: string, times: number) => `
  ${spawnWorker(entry)}
  for (let round = 0; round < ${times}; round++) {
    const worker = await start(${JSON.stringify(state)});
    await worker.terminate();
  }
  console.log('alive');
`;

const outliveOneWorker = (entry: string) => `
  ${spawnWorker(entry)}
  const [first, second] = await Promise.all([start('streaming'), start('streaming')]);
  await first.terminate();
  await new Promise((resolve) => second.once('message', resolve));
  await second.terminate();
  console.log('alive');
`;

const exitWhileStreaming = (entry: string) => `
  const { open } = await import(${JSON.stringify(entry)});
  const model = await open();
  for await (const event of model.generate({ prompt: 'Once upon a time', temperature: 1 })) {
    if (event.type === 'text') process.exit(7);
  }
`;

const closeOnExit = (entry: string) => `
  const { open } = await import(${JSON.stringify(entry)});
  const model = await open();
  const session = await model.createSession();
  process.on('exit', () => {
    void session.close();
    void model.close();
  });
  process.exit(7);
`;

const leaveOpen = (entry: string) => `
  const { open } = await import(${JSON.stringify(entry)});
  const model = await open();
  await model.generate({ prompt: 'Once upon a time', maxTokens: 4 });
  console.log('alive');
`;

async function runChild(source: string, timeoutMs: number): Promise<Outcome> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (exitCode, killedBy) => {
      resolve({ exitCode, killedBy, stdout, stderr });
    });
  });
}
