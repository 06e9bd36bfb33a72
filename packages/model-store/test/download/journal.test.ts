import { describe, expect, it } from 'vitest';
import { Journal } from '../../src/download/journal.js';
import { PieceMap, pieceBytes } from '../../src/download/piece-map.js';
import type { FileSystem } from '../../src/file-system/file-system.js';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();

describe('a journal', () => {
  it('of many pieces is begun anew by few writes, each of some hundred kilobytes', async () => {
    const writes: number[] = [];
    const fs: FileSystem = {
      ...nodeFileSystem,
      async create(path) {
        const writer = await nodeFileSystem.create(path);
        return {
          ...writer,
          write(bytes) {
            writes.push(bytes.byteLength);
            return writer.write(bytes);
          },
        };
      },
    };
    const subject = { totalBytes: 200_000 * pieceBytes, identity: 'content' };
    const pieces = new PieceMap(subject.totalBytes);
    for (let piece = 0; piece < pieces.count; piece += 2) pieces.add(piece, piece ^ 0x5a5a);
    const path = `${folder.path}/journal`;
    const journal = await Journal.begin(fs, path, subject, pieces);
    await journal.close();
    expect(writes.length).toBeLessThan(12);
    expect(Math.max(...writes)).toBeLessThan(2 ** 19);

    const recalled = new PieceMap(subject.totalBytes);
    await Journal.recall(fs, path, subject, recalled);
    expect(recalled.doneBytes).toBe(pieces.doneBytes);
    expect(recalled.checksum(100_000)).toBe(pieces.checksum(100_000));
  });

  it('keeps what was noted within a moment, also when nobody asks for it', async () => {
    const subject = { totalBytes: 10 * pieceBytes, identity: 'content' };
    const path = `${folder.path}/journal`;
    const journal = await Journal.begin(nodeFileSystem, path, subject, new PieceMap(0));
    journal.add(3, 7);
    await journal.flush(5);
    const recalled = async () => {
      const pieces = new PieceMap(subject.totalBytes);
      await Journal.recall(nodeFileSystem, path, subject, pieces);
      return pieces.has(3);
    };
    await expect.poll(recalled).toBe(true);
    await journal.close();
  });
});
