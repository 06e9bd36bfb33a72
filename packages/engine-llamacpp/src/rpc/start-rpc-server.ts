import { check, MobillmError, wrongValue } from '@mobillm/core';
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { packageRoot } from '#package-root';
import { type BackendName, backendNames } from '../engine-options.js';
import type { RpcServer, RpcServerOptions } from '../rpc-server.js';
import { parseEndpoint } from './endpoint.js';
import { probeRpcServer } from './probe-rpc-server.js';
import type { ServeRequest } from './rpc-server-process.js';

const checkOptions = check.optionsObject({
  host: check.string({ nonEmpty: true }),
  port: check.integer({ min: 0, max: 65_535 }),
  network: check.oneOf('loopback', 'trusted'),
  threads: check.integer({ min: 1, max: 4096 }),
  devices: check.arrayOf(check.string({ nonEmpty: true })),
  backends: check.either('auto', check.arrayOf(check.oneOf<BackendName>(...backendNames))),
  addon: check.string({ nonEmpty: true }),
  signal: check.abortSignal,
});

/** How often a server that has just been started is asked whether it listens. */
const askEveryMs = 50;

/** See `startRpcServer` of the package. */
export async function startRpcServer(options: RpcServerOptions = {}): Promise<RpcServer> {
  const checked = checkOptions(options, '');
  const { host = '127.0.0.1', network = 'loopback', signal } = checked;
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/u.test(host)) {
    throw wrongValue('host', `must be an IPv4 address, but it is "${host}"`);
  }
  if (network === 'loopback' && !host.startsWith('127.')) {
    throw wrongValue(
      'host',
      `is "${host}", where other machines reach the server: nothing is encrypted and nobody is asked who they are. Say network: 'trusted' where that is right`,
    );
  }
  signal?.throwIfAborted();
  const port = await freePort(host, checked.port ?? 0);
  const endpoint = `${host}:${port}`;
  const request: ServeRequest = {
    endpoint,
    devices: checked.devices ?? [],
    threads: checked.threads ?? 1,
    backends: checked.backends ?? 'auto',
    ...(checked.addon !== undefined && { addon: checked.addon }),
  };
  const server = new RpcServerProcess(endpoint, request);
  const stop = () => void server.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await server.listening();
    signal?.throwIfAborted();
    return server;
  } catch (error) {
    await server.close();
    if (signal?.aborted) throw signal.reason;
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

class RpcServerProcess implements RpcServer {
  readonly endpoint: string;
  readonly exited: Promise<number | undefined>;
  readonly #child: ChildProcess;
  #said = '';

  constructor(endpoint: string, request: ServeRequest) {
    this.endpoint = endpoint;
    const program = join(packageRoot ?? '', 'dist', 'rpc', 'rpc-server-process.js');
    this.#child = spawn(process.execPath, [program, JSON.stringify(request)], {
      // The pipe to its input tells it when this process is gone.
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2000);
    });
    this.exited = new Promise((resolve) => {
      this.#child.on('error', () => resolve(undefined));
      this.#child.on('exit', (status) => resolve(status ?? undefined));
    });
  }

  /** Resolves when it answers. */
  async listening(): Promise<void> {
    const ended = this.exited.then((status) => {
      throw new MobillmError(
        'IO_FAILED',
        `The RPC server at ${this.endpoint} did not start: ${this.#said.trim() || `it ended with status ${status}`}. Another program may listen there.`,
        { details: { endpoint: this.endpoint, status, said: this.#said } },
      );
    });
    const answering = async () => {
      for (;;) {
        try {
          await probeRpcServer(parseEndpoint(this.endpoint, 'endpoint'));
          return;
        } catch (error) {
          // Nothing listens yet.
          if (!MobillmError.is(error, 'IO_FAILED') || this.#child.exitCode !== null) throw error;
          await new Promise((resolve) => setTimeout(resolve, askEveryMs));
        }
      }
    };
    await Promise.race([answering(), ended]);
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A port that nobody listens on, found out by listening there: the library's server cannot tell which one
 * it was given, and another server that answers there would be taken for it.
 */
function freePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', (error) => {
      reject(
        new MobillmError('IO_FAILED', `Nothing can listen on ${host}:${port}: ${error.message}.`, {
          details: { host, port },
          cause: error,
        }),
      );
    });
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
