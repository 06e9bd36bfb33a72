import { startRpcServer as start } from '#rpc';
import type { BackendName } from './engine-options.js';

/** Options of {@link startRpcServer}. */
export interface RpcServerOptions {
  /** IPv4 address to listen on. Default `127.0.0.1`, which this machine alone reaches. */
  readonly host?: string;
  /** Port; 0 (the default) takes a free one. */
  readonly port?: number;
  /**
   * `trusted` allows a `host` that other machines reach. Anybody there can use this machine's memory and
   * processors, and a request that was made to harm can do worse: for closed networks only. Default
   * `loopback`.
   */
  readonly network?: 'loopback' | 'trusted';
  /** Threads, where the CPU is served. Default 1. */
  readonly threads?: number;
  /** Ids of the devices to serve. By default every GPU, or the CPU where there is none. */
  readonly devices?: readonly string[];
  /** As in `createLlamaCppEngine`. */
  readonly backends?: 'auto' | readonly BackendName[];
  /** Path of the addon to load and no other. */
  readonly addon?: string;
  /** Ends the starting, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A running server. */
export interface RpcServer {
  /** `host:port`, for the option `rpc` of an engine. */
  readonly endpoint: string;
  /** Resolves when the server's process has ended, with its status where it has one. */
  readonly exited: Promise<number | undefined>;
  /** Ends it, and waits for that; may be called twice. An engine that computes on it must be closed before. */
  close(): Promise<void>;
  /** {@link RpcServer.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Lends this machine's devices to engines on other machines (`createLlamaCppEngine({ rpc: [endpoint] })`),
 * by llama.cpp's own RPC server in a process of its own. It serves one client at a time. For trusted
 * networks only. Node.js alone.
 *
 * @throws MobillmError `IO_FAILED` where it cannot listen, `ADDON_NOT_FOUND`, `UNSUPPORTED`; InvalidArgument.
 */
export function startRpcServer(options: RpcServerOptions = {}): Promise<RpcServer> {
  return start(options);
}
