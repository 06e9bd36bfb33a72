import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { probeRpcServer } from '../src/rpc/probe-rpc-server.js';
import { FakeServers, int, longs, version } from './support/fake-rpc-server.js';

const servers = new FakeServers();
afterAll(() => servers.close());

/** What asking a server ends with; of one that never answers, soon. */
const outcomeOf = (endpoint: { host: string; port: number }, answerMs = 60_000): Promise<unknown> =>
  probeRpcServer(endpoint, { answerMs }).then(
    () => 'sound',
    (error: unknown) => error,
  );

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as unknown;

describe('asking a server whether it is one', () => {
  it.each([
    ['one device', {}],
    ['sixteen devices', { 15: int(16) }],
    ['a device that does not tell its memory', { 11: longs(0n, 0n) }],
    [
      'capabilities of its own',
      { 14: Buffer.concat([version(7, 0).subarray(0, 4), Buffer.alloc(24, 1)]) },
    ],
  ])('takes one with %s', async (_what, answers) => {
    expect(await outcomeOf(await servers.answering(answers))).toBe('sound');
  });

  it.each([
    ['an older version', { 14: version(6, 9) }, /It speaks 6\.9\. Check the port/u],
    ['a later version', { 14: version(7, 1) }, /It speaks 7\.1\./u],
    ['a version of another length', { 14: Buffer.alloc(4) }, /4 bytes in place of 28/u],
    ['no devices', { 15: int(0) }, /It answered with 0 devices/u],
    ['devices without end', { 15: int(0xffff_ffff) }, /with 4294967295 devices/u],
    [
      'a count of another length',
      { 15: longs(1n) },
      /more than was asked for|8 bytes in place of 4/u,
    ],
    ['more memory free than there is', { 11: longs(2n, 1n) }, /of device 0 2 bytes free of 1/u],
    [
      'more memory than there can be',
      { 11: longs(1n, 2n ** 60n) },
      /bytes free of 1152921504606846976/u,
    ],
    ['no alignment', { 1: longs(0n) }, /an alignment of 0/u],
    ['an alignment of three', { 1: longs(3n) }, /an alignment of 3/u],
    ['an alignment of exbibytes', { 1: longs(2n ** 60n) }, /an alignment of 1152921504606846976/u],
    ['buffers without bytes', { 2: longs(0n) }, /buffers of 0 bytes/u],
  ])('refuses one with %s', async (_what, answers, message) => {
    expect(await outcomeOf(await servers.answering(answers))).toEqual(
      refusal('UNSUPPORTED', message),
    );
  });

  it('refuses a web server', async () => {
    const web = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => web.once('listening', resolve));
    const address = web.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    expect(await outcomeOf({ host: '127.0.0.1', port })).toEqual(
      refusal('UNSUPPORTED', /is no RPC server of this version/u),
    );
    web.closeAllConnections();
    web.close();
  });

  it('refuses what greets first, as SSH does', async () => {
    const endpoint = await servers.listen((socket) => socket.write('SSH-2.0-OpenSSH\r\n'));
    expect(await outcomeOf(endpoint)).toEqual(
      refusal('UNSUPPORTED', /is no RPC server of this version/u),
    );
  });

  it('refuses what closes at once', async () => {
    const endpoint = await servers.listen((socket) => socket.end());
    expect(await outcomeOf(endpoint)).toEqual(refusal('UNSUPPORTED', /an end of the connection/u));
  });

  it('refuses an answer without end, and takes no more of it than was asked for', async () => {
    let isClosed: Promise<unknown> = Promise.resolve();
    const endpoint = await servers.listen((socket) => {
      isClosed = new Promise((resolve) => socket.once('close', resolve));
      const size = longs(28n);
      const pour = () => {
        while (!socket.destroyed && socket.write(Buffer.concat([size, Buffer.alloc(65_536)])));
      };
      socket.on('drain', pour);
      pour();
    });
    expect(await outcomeOf(endpoint)).toEqual(
      refusal('UNSUPPORTED', /more than was asked for, beginning/u),
    );
    await isClosed;
  });

  it.each([
    ['its version', 14],
    ['its devices', 15],
    ['their memory', 11],
  ])('does not wait without end for one that does not tell %s', async (_what, command) => {
    const endpoint = await servers.answering({ [command]: undefined });
    const codes = { 14: 'BUSY', 15: 'BUSY', 11: 'UNSUPPORTED' } as const;
    expect(await outcomeOf(endpoint, 100)).toEqual(
      refusal(codes[command as keyof typeof codes], /does not answer|in place of/u),
    );
  });

  it('does not wait without end for one that says a part', async () => {
    const endpoint = await servers.listen((socket) => socket.write(longs(28n)));
    expect(await outcomeOf(endpoint, 100)).toEqual(
      refusal('UNSUPPORTED', /less than was asked for/u),
    );
  });

  it('ends with the reason of a signal, before and while it asks', async () => {
    const reason = new Error('not now');
    const endpoint = await servers.answering({ 14: undefined });
    await expect(probeRpcServer(endpoint, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const controller = new AbortController();
    const asked = await servers.listen((socket) =>
      socket.on('data', () => controller.abort(reason)),
    );
    await expect(
      probeRpcServer(asked, { signal: controller.signal, answerMs: 60_000 }),
    ).rejects.toBe(reason);
  });
});

it('leaves the JavaScript thread free where the library waits without end, and gives it up', () => {
  const program = fileURLToPath(new URL('./fixtures/list-silent-rpc-server.mjs', import.meta.url));
  const addon = fileURLToPath(new URL('../build/Release/mobillm_llamacpp.node', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, addon], {
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: '["ABORTED","IO_FAILED"]\n',
    stderr: '',
  });
});
