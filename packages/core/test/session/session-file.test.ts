import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { checkKvShape } from '../../src/kv/check-kv-snapshot.js';
import { kvSnapshotBytes } from '../../src/kv/kv-codec.js';
import { readSessionFile, writeSessionFile } from '../../src/session/session-file.js';
import { sampleSnapshot } from '../kv/samples.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'one.session');
const cache = sampleSnapshot();
const said = {
  messages: [
    { role: 'system', content: 'You are brief.' },
    { role: 'user', content: 'Grüß dich 👋' },
  ],
  known: { text: 'Hello', tokens: [1, 2, 3], pieces: 'Hel lo' },
  window: { keepMessages: 1, dropped: 4 },
} as const;

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

describe('a session in a file', () => {
  it('comes back as it was', async () => {
    const bytes = await writeSessionFile(path, { ...said, cache });
    expect(statSync(path).size).toBe(bytes);
    const file = readFileSync(path);
    const snapshot = file.subarray(44 + file.readUInt32LE(8), -32);
    expect(await readSessionFile(path)).toEqual({
      ...said,
      cache: { snapshot: cache, sha256: sha256Of(snapshot).toString('hex') },
    });
  });

  it('comes back without a cache, and without known tokens', async () => {
    const plain = { messages: [], known: undefined, window: { dropped: 0 } };
    await writeSessionFile(path, plain);
    expect(await readSessionFile(path)).toEqual({ ...plain, cache: undefined });
  });

  it.skipIf(process.platform === 'win32')('is for its user alone', async () => {
    await writeSessionFile(path, said);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  // Windows has no pipes among its files.
  it.skipIf(process.platform === 'win32')('is not put in the place of a pipe', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(writeSessionFile(pipe, said)).rejects.toMatchObject({
      code: 'IO_FAILED',
      details: { errno: 'ENOTSUP' },
    });
    expect(statSync(pipe).isFIFO()).toBe(true);
    rmSync(pipe);
  });

  it('tells how far it is', async () => {
    const shares: number[] = [];
    const onProgress = (share: number) => shares.push(share);
    await writeSessionFile(path, { ...said, cache }, { onProgress });
    await readSessionFile(path, { onProgress });
    expect(shares.filter((share) => share === 1)).toHaveLength(2);
    const first = shares.slice(0, shares.indexOf(1) + 1);
    expect(first).toEqual([...first].sort((a, b) => a - b));
  });

  it('replaces the one before only when it is whole', async () => {
    await writeSessionFile(path, said);
    const before = readFileSync(path);
    const controller = new AbortController();
    const reason = new Error('enough');
    const writing = writeSessionFile(
      path,
      { ...said, cache },
      {
        signal: controller.signal,
        onProgress: () => {
          controller.abort(reason);
        },
      },
    );
    await expect(writing).rejects.toBe(reason);
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder)).toEqual(['one.session']);
  });

  it('says what is wrong with a place that cannot be written or read', async () => {
    await expect(writeSessionFile(join(folder, 'no', 'one'), said)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { errno: 'ENOENT' },
    });
    await expect(readSessionFile(join(folder, 'missing'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    await expect(readSessionFile(folder)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('is refused in another version, and what is none at all', async () => {
    await writeSessionFile(path, said);
    const bytes = readFileSync(path);
    bytes.writeUint32LE(2, 4);
    writeFileSync(path, bytes);
    await expect(readSessionFile(path)).rejects.toMatchObject({ code: 'KV_MISMATCH' });
    for (const other of ['', 'MSES', 'GGUF and more than forty-four bytes of something else']) {
      writeFileSync(path, other);
      await expect(readSessionFile(path)).rejects.toMatchObject({ code: 'INTEGRITY_FAILED' });
    }
  });

  it('keeps what was said when only the cache is damaged', async () => {
    const bytes = await writeSessionFile(path, { ...said, cache });
    for (const length of [bytes - 1, bytes - 40, bytes - 100]) {
      truncateSync(path, length);
      const { messages, cache: found } = await readSessionFile(path);
      expect(messages).toEqual(said.messages);
      expect(found).toMatchObject({ code: 'INTEGRITY_FAILED' });
    }
  });

  it('is not taken into memory where its length is not what it says', async () => {
    await writeSessionFile(path, { ...said, cache });
    truncateSync(path, 100e9);
    const { messages, cache: found } = await readSessionFile(path);
    expect(messages).toEqual(said.messages);
    expect(found).toMatchObject({ code: 'INTEGRITY_FAILED' });
  });

  it('is not taken into memory where that has no room for it', async () => {
    await writeSessionFile(path, { ...said, cache });
    const file = readFileSync(path);
    const start = 12 + 32 + file.readUInt32LE(8);
    // A cache that says of itself that it is a terabyte, in a file with a hole of that size.
    const snapshot = file.subarray(start);
    const header = JSON.parse(
      snapshot.toString('utf8', 12, 12 + snapshot.readUInt32LE(8)),
    ) as object;
    const text = JSON.stringify({ ...header, kvHeads: 65_536, keyLength: 65_536, layerCount: 256 });
    const head = Buffer.concat([snapshot.subarray(0, 12), Buffer.from(text)]);
    head.writeUInt32LE(text.length, 8);
    const neededBytes = kvSnapshotBytes(head);
    expect(neededBytes).toBeGreaterThan(1e12);
    writeFileSync(path, Buffer.concat([file.subarray(0, start), head]));
    truncateSync(path, start + neededBytes + 32);
    const { messages, cache: found } = await readSessionFile(path);
    expect(messages).toEqual(said.messages);
    expect(found).toMatchObject({ code: 'OUT_OF_MEMORY', details: { path, neededBytes } });
  });

  it('is harmless with hashes that fit, whatever else its bytes are', async () => {
    await writeSessionFile(path, { ...said, cache });
    const sound = readFileSync(path);
    const headerEnd = 44 + sound.readUint32LE(8);
    const fuzzed = join(folder, 'hashed.session');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: sound.length - 33 }), fc.nat({ max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        async (changes) => {
          const bytes = Buffer.from(sound);
          for (const [index, byte] of changes) if (index >= 44) bytes[index] = byte;
          sha256Of(bytes.subarray(44, headerEnd)).copy(bytes, 12);
          sha256Of(bytes.subarray(headerEnd, -32)).copy(bytes, bytes.length - 32);
          writeFileSync(fuzzed, bytes);
          try {
            const { messages, known, window, cache: found } = await readSessionFile(fuzzed);
            for (const { content } of messages) expect(content).toBeTypeOf('string');
            for (const token of known?.tokens ?? []) expect(token).toBeGreaterThanOrEqual(0);
            expect(window.dropped).toBeGreaterThanOrEqual(0);
            if (MobillmError.is(found)) {
              expect(['INTEGRITY_FAILED', 'KV_MISMATCH']).toContain(found.code);
            } else if (found) expect(checkKvShape(found.snapshot)).toBe(found.snapshot);
          } catch (error) {
            expect(MobillmError.is(error, 'INTEGRITY_FAILED'), String(error)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is harmless, whatever its bytes are', async () => {
    await writeSessionFile(path, { ...said, cache });
    const sound = readFileSync(path);
    const fuzzed = join(folder, 'fuzzed.session');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: sound.length - 1 }), fc.nat({ max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.nat({ max: sound.length }),
        async (changes, length) => {
          const bytes = Buffer.from(sound);
          for (const [index, byte] of changes) bytes[index] = byte;
          writeFileSync(fuzzed, bytes.subarray(0, length % 3 === 0 ? length : sound.length));
          try {
            const { messages, cache: found } = await readSessionFile(fuzzed);
            // Every byte of what was said is hashed, and every byte of the cache.
            expect(messages).toEqual(said.messages);
            if (!MobillmError.is(found)) expect([undefined, cache]).toContainEqual(found?.snapshot);
          } catch (error) {
            const code = MobillmError.is(error) ? error.code : String(error);
            expect(['INTEGRITY_FAILED', 'KV_MISMATCH']).toContain(code);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
