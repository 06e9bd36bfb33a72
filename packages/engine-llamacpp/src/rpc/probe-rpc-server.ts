import { MobillmError } from '@mobillm/core';
import { connect } from 'node:net';
import type { RpcEndpoint } from './endpoint.js';

/** Version of the pinned library's protocol: its own major is required, and no later minor. */
const protocol = { major: 7, minor: 0 };

/** First command of a connection, and the bytes that go with it: what the client's transport can do. */
const helloCommand = 14;
const capabilityBytes = 24;

/** How long a server may take to answer. One that serves another client does not answer at all. */
const answerMs = 3000;

/**
 * Finds out whether a server of this version answers, before the library connects, which ends the
 * process when none does.
 *
 * @throws MobillmError `UNSUPPORTED` for another version; `IO_FAILED` where nothing answers; `BUSY` where
 * something is connected to and says nothing.
 */
export function probeRpcServer({ host, port }: RpcEndpoint): Promise<void> {
  const endpoint = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, family: 4 });
    let received = Buffer.alloc(0);
    const end = (error?: MobillmError) => {
      clearTimeout(timer);
      socket.destroy();
      // The library serves one client after the other: the next one is heard when this one is gone.
      if (error) reject(error);
      else resolve();
    };
    let connected = false;
    const timer = setTimeout(() => {
      end(connected ? silent(endpoint) : unreached(endpoint, 'no connection came about in time'));
    }, answerMs);
    socket.on('connect', () => {
      connected = true;
      socket.write(hello());
    });
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length >= 8 + 4) end(judge(endpoint, received));
    });
    socket.on('end', () => end(judge(endpoint, received)));
    socket.on('error', (error) => end(unreached(endpoint, error.message, error)));
  });
}

function hello(): Buffer {
  const message = Buffer.alloc(1 + 8 + capabilityBytes);
  message.writeUInt8(helloCommand, 0);
  message.writeBigUInt64LE(BigInt(capabilityBytes), 1);
  return message;
}

function silent(endpoint: string): MobillmError {
  return new MobillmError(
    'BUSY',
    `The RPC server at ${endpoint} takes connections and does not answer: it serves another client, of which it has one at a time, or it is none.`,
    { retryable: true, details: { endpoint } },
  );
}

function unreached(endpoint: string, reason: string, cause?: Error): MobillmError {
  return new MobillmError(
    'IO_FAILED',
    `No RPC server answers at ${endpoint}: ${reason}. Start one there (npx mobillm-rpc-server), and check address, port and firewall.`,
    { retryable: true, details: { endpoint, reason }, cause },
  );
}

/** What is wrong with an answer: its size in 8 bytes, then major, minor and patch of the protocol, padding and capabilities. */
function judge(endpoint: string, answer: Buffer): MobillmError | undefined {
  const [major, minor] = answer.length >= 12 ? [answer[8], answer[9]] : [undefined, undefined];
  const isOurs = major === protocol.major && minor !== undefined && minor <= protocol.minor;
  if (isOurs && answer.readBigUInt64LE(0) === BigInt(4 + capabilityBytes)) return undefined;
  return new MobillmError(
    'UNSUPPORTED',
    `What answers at ${endpoint} is no RPC server of this version of llama.cpp, whose protocol is ${protocol.major}.${protocol.minor}. Run the same version of @mobillm/engine-llamacpp on both machines.`,
    { details: { endpoint, ...(major !== undefined && { major, minor }) } },
  );
}
