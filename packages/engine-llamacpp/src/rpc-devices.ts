import { probeRpcServer } from '#rpc';
import type { LlamaCppAddon, NativeDevice } from './addon.js';
import { runRequest } from './native-request.js';
import { parseEndpoint } from './rpc/endpoint.js';

/** How long the library may take to list the devices of a server that has just described them. */
const listMs = 10_000;

/**
 * The devices of servers on other machines. Each is asked first whether it is one, because the library
 * ends the process where it is none.
 *
 * @throws InvalidArgument for what is no `host:port`; MobillmError `IO_FAILED`, `BUSY`, `UNSUPPORTED`; the
 * signal's reason.
 */
export async function rpcDevices(
  addon: LlamaCppAddon,
  endpoints: readonly string[],
  signal?: AbortSignal,
): Promise<readonly NativeDevice[]> {
  const parsed = endpoints.map((endpoint, index) => parseEndpoint(endpoint, `rpc[${index}]`));
  await Promise.all(parsed.map((endpoint) => probeRpcServer(endpoint, { signal })));
  const devices: NativeDevice[] = [];
  // One after the other: the library numbers them as it meets them.
  for (const endpoint of endpoints) {
    const listed = await runRequest(
      () => new addon.RpcDevices({ endpoint, limitMs: listMs }),
      (native) => native.list(),
      signal,
    );
    devices.push(...listed);
  }
  return devices;
}
