/**
 * The program of an RPC server's own process: the library's server does not return, and ends its
 * process at the first request that makes no sense. Its first thread only watches whoever started it.
 *
 *   node rpc-server-process.js <JSON of ServeRequest>
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { loadLlamaCppAddon } from '../addon.js';
import type { BackendName } from '../engine-options.js';
import { loadBackends } from '../load-backends.js';

/** What the program is asked for, in its only argument. */
export interface ServeRequest {
  /** `host:port` to listen on. */
  readonly endpoint: string;
  /** Ids of devices to serve; all that take layers where none is named. */
  readonly devices: readonly string[];
  /** Threads of a CPU that is served. */
  readonly threads: number;
  /** Back ends to load. */
  readonly backends: 'auto' | readonly BackendName[];
  /** Addon to load and no other. */
  readonly addon?: string;
}

/** Blocks this thread; comes back only where the server could not listen. */
async function serve(request: ServeRequest): Promise<void> {
  const { addon, folder } = await loadLlamaCppAddon(request.addon);
  loadBackends(addon, folder, request.backends);
  addon.serveRpc(request.endpoint, request.devices, request.threads);
  throw new Error(`nothing could listen on ${request.endpoint}`);
}

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2] });
  worker.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  // The pipe ends with the process that started this. Its thread cannot be ended any other way.
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
} else {
  await serve(JSON.parse(String(workerData)) as ServeRequest);
}
