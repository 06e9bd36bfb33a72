/** Chosen by export conditions, see "imports" in package.json. */
declare module '#rpc' {
  /** Finds out whether an RPC server of this version answers there; rejects where none does. */
  export function probeRpcServer(endpoint: {
    readonly host: string;
    readonly port: number;
  }): Promise<void>;
  /** See `startRpcServer` of the package. */
  export function startRpcServer(
    options?: import('../rpc-server.js').RpcServerOptions,
  ): Promise<import('../rpc-server.js').RpcServer>;
}
