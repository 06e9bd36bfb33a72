#!/usr/bin/env node
/**
 * The program `mobillm-rpc-server`: lends this machine's devices to engines on other machines.
 *
 *   mobillm-rpc-server [--host 192.168.0.2 --trusted-network] [--port 50052] [--threads 4]
 *                      [--device cuda0 …]
 */
import { parseArgs } from 'node:util';
import { startRpcServer } from './start-rpc-server.js';

try {
  const { values } = parseArgs({
    options: {
      host: { type: 'string' },
      port: { type: 'string' },
      threads: { type: 'string' },
      device: { type: 'string', multiple: true },
      'trusted-network': { type: 'boolean' },
    },
  });
  const server = await startRpcServer({
    port: Number(values.port ?? 50_052),
    ...(values.host !== undefined && { host: values.host }),
    ...(values.threads !== undefined && { threads: Number(values.threads) }),
    ...(values.device && { devices: values.device }),
    ...(values['trusted-network'] && { network: 'trusted' as const }),
  });
  process.stdout.write(`listening on ${server.endpoint}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => void server.close());
  }
  process.exitCode = (await server.exited) ?? 0;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
