/** Chosen by export conditions, see "imports" in package.json. */
declare module '#rpc' {
  import type { RpcServer, RpcServerOptions } from '../rpc-server.js';

  /** Finds out whether an RPC server of this version answers there; rejects where none does. */
  export function probeRpcServer(
    endpoint: { readonly host: string; readonly port: number },
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  /** See `startRpcServer` of the package. */
  export function startRpcServer(options?: RpcServerOptions): Promise<RpcServer>;
}
