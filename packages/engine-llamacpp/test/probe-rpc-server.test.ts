import { EventEmitter } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { probeRpcServer } from '../src/rpc/probe-rpc-server.js';

vi.mock('node:net', () => ({ connect: vi.fn() }));
afterEach(() => vi.useRealTimers());

/** A connection that says nothing of itself. */
class SilentSocket extends EventEmitter {
  readonly write = vi.fn();
  readonly destroy = vi.fn();
}

it.each([
  ['no connection comes about', false, 'IO_FAILED', /No RPC server answers at 192\.0\.2\.1:50052/u],
  ['a connection stays silent', true, 'BUSY', /takes connections and does not answer/u],
])('tells apart that %s in time', async (_what, connects, code, message) => {
  vi.useFakeTimers();
  const socket = new SilentSocket();
  vi.mocked(connect).mockReturnValue(socket as never);
  const outcome = probeRpcServer({ host: '192.0.2.1', port: 50_052 }).catch((e: unknown) => e);
  if (connects) socket.emit('connect');
  await vi.advanceTimersByTimeAsync(3000);
  expect(await outcome).toMatchObject({
    code,
    retryable: true,
    message: expect.stringMatching(message) as string,
    details: { endpoint: '192.0.2.1:50052' },
  });
  expect(socket.destroy).toHaveBeenCalled();
});
