import { probeRpcServer } from '#rpc';
import type { LlamaCppAddon, NativeDevice } from './addon.js';
import { parseEndpoint } from './rpc/endpoint.js';

/**
 * The devices of servers on other machines. Each is asked first whether it answers, because the library
 * ends the process when one does not.
 *
 * @throws InvalidArgument for what is no `host:port`; MobillmError `IO_FAILED`, `BUSY`, `UNSUPPORTED`.
 */
export async function rpcDevices(
  addon: LlamaCppAddon,
  endpoints: readonly string[],
): Promise<readonly NativeDevice[]> {
  const parsed = endpoints.map((endpoint, index) => parseEndpoint(endpoint, `rpc[${index}]`));
  await Promise.all(parsed.map((endpoint) => probeRpcServer(endpoint)));
  return endpoints.flatMap((endpoint) => addon.rpcDevices(endpoint));
}
