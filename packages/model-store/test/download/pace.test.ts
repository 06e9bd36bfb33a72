import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { downloadFile } from '../../src/download/download.js';
import { createPullControl } from '../../src/download/pull-control.js';
import { RequestPace } from '../../src/download/request-pace.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { HttpClient } from '../../src/http/http-client.js';
import { createNodeTransport } from '../../src/http/node.js';
import { fileServers, sendBeginning, type FileServer } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const client = new HttpClient(createNodeTransport());
const content = Buffer.alloc(9_000_001, 'content of which no piece is like the others ');
for (let at = 0; at < content.byteLength; at += 4096) content.writeUInt32LE(at, at & ~3);
const sha256 = createHash('sha256').update(content).digest('hex');

describe('the pace of a request', () => {
  const slow = () => {
    const pace = new RequestPace(0, 10_000);
    pace.observe(9_999, 0);
    expect(pace.isWorthReplacing(1e9, 1e9)).toBe(false);
    // A hundred bytes a second.
    pace.observe(10_000, 1000);
    return pace;
  };

  it('is judged after its time, and then beside another one that is much faster', () => {
    expect(slow().isWorthReplacing(1e6, 1e6)).toBe(true);
    expect(slow().isWorthReplacing(1e6, 300)).toBe(false);
    expect(slow().isWorthReplacing(1e6, undefined)).toBe(false);
  });

  it('does not matter where the rest comes soon', () => {
    expect(slow().isWorthReplacing(900, 1e6)).toBe(false);
  });

  it('is that of lately', () => {
    const pace = slow();
    pace.observe(20_000, 1e9);
    expect(pace.isWorthReplacing(1e9, 1e6)).toBe(false);
    pace.observe(30_000, 1e9);
    expect(pace.isWorthReplacing(1, 1e6)).toBe(true);
  });
});

it('a mirror that only trickles does not hold up what another one can give', async () => {
  const trickling = await serve(content, (request, response, number) => {
    // The first one asks for the size.
    if (number === 0) return false;
    sendBeginning(request, response, content, 70_000);
    return true;
  });
  const good = await serve(content);
  const done = await downloadFile(nodeFileSystem, client, {
    mirrors: [trickling, good].map(({ url }) => ({ url })),
    path: `${folder.path}/model`,
    sha256,
    connections: 2,
    paceMs: 300,
    signal: new AbortController().signal,
    onBytes: () => undefined,
  });
  expect(done.sha256).toBe(sha256);
});

describe('a pause', () => {
  const download = (server: FileServer, control = createPullControl(), signal?: AbortSignal) => {
    const state = { doneBytes: 0 };
    const done = downloadFile(nodeFileSystem, client, {
      mirrors: [{ url: server.url }],
      path: `${folder.path}/model`,
      sha256,
      totalBytes: content.byteLength,
      // Others would take over parts of what it asked for, which are sent all the same.
      connections: 1,
      control,
      signal: signal ?? new AbortController().signal,
      onBytes: (doneBytes) => (state.doneBytes = doneBytes),
    });
    return { control, state, done };
  };
  /** Gives a million bytes, and no more until `isOpen`. */
  const halting = (open: { isOpen: boolean }) =>
    serve(content, (request, response) => {
      if (open.isOpen) return false;
      sendBeginning(request, response, content, 1_000_000);
      return true;
    });

  it('closes the connections, and loses next to nothing', async () => {
    const open = { isOpen: false };
    const server = await halting(open);
    const { control, state, done } = download(server);
    await expect.poll(() => state.doneBytes, { timeout: 10_000 }).toBeGreaterThan(900_000);
    control.pause();
    await expect.poll(() => server.openConnections(), { timeout: 10_000 }).toBe(0);
    const asked = server.ranges.length;
    open.isOpen = true;
    // Whatever was about to be asked would have been by the end of another request.
    await (await fetch(server.url)).arrayBuffer();
    expect(server.ranges.length).toBe(asked + 1);
    const before = { done: state.doneBytes, sent: server.sentBytes };
    control.resume();
    expect((await done).sha256).toBe(sha256);
    expect(server.sentBytes - before.sent).toBeLessThanOrEqual(
      content.byteLength - before.done + 2 ** 20,
    );
  });

  it('before the beginning asks for nothing', async () => {
    const control = createPullControl();
    control.pause();
    const server = await serve(content);
    const { done } = download(server, control);
    await (await fetch(server.url)).arrayBuffer();
    expect(server.ranges).toHaveLength(1);
    control.resume();
    expect((await done).sha256).toBe(sha256);
  });

  it('is ended by an abort', async () => {
    const ending = new AbortController();
    const server = await halting({ isOpen: false });
    const { control, state, done } = download(server, createPullControl(), ending.signal);
    const failed = expect(done).rejects.toThrow('enough');
    await expect.poll(() => state.doneBytes, { timeout: 10_000 }).toBeGreaterThan(0);
    control.pause();
    ending.abort(new Error('enough'));
    await failed;
  });
});
