#!/usr/bin/env node
/** The program `mobillm-rpc-server`: lends this machine's devices to engines on other machines. */
import { numberOf, runProgram, wrongCall } from '../command-line.js';
import { startRpcServer } from './start-rpc-server.js';

const help = `Lends this machine's devices to engines on other machines, by llama.cpp's own protocol.

  mobillm-rpc-server [options]

  --host ADDRESS         IPv4 address to listen on (127.0.0.1, which this machine alone reaches)
  --trusted-network      allow an address that other machines reach: nothing is encrypted, nobody is asked
                         who they are, and a request made to harm can take over this process
  --port N               port (50052); 0 takes a free one
  --threads N            threads, where the CPU is served (1)
  --device ID            a device to serve, such as cuda0; may be given several times (every GPU, or the
                         CPU where there is none)
  --help

Runs until it is stopped. Ends with 2 for a wrong call, 1 for any other failure.
`;

await runProgram({
  name: 'mobillm-rpc-server',
  help,
  options: {
    host: { type: 'string' },
    port: { type: 'string' },
    threads: { type: 'string' },
    device: { type: 'string', multiple: true },
    'trusted-network': { type: 'boolean' },
  },
  async run({ values, positionals }, stop) {
    if (positionals.length > 0) throw wrongCall(`what is "${positionals[0]}"? --help says more`);
    const threads = numberOf(values.threads, 'threads');
    await using server = await startRpcServer({
      port: numberOf(values.port, 'port') ?? 50_052,
      signal: stop,
      ...(values.host !== undefined && { host: values.host }),
      ...(threads !== undefined && { threads }),
      ...(values.device && { devices: values.device }),
      ...(values['trusted-network'] && { network: 'trusted' as const }),
    });
    process.stdout.write(`listening on ${server.endpoint}\n`);
    stop.addEventListener('abort', () => void server.close());
    return (await server.exited) ?? 0;
  },
});
