import { MobillmError } from '@mobillm/core';
import { describe, expect, it } from 'vitest';
import { MirrorPool } from '../../src/download/mirror-pool.js';
import { Mirror } from '../../src/download/mirror.js';
import { PieceMap, pieceBytes } from '../../src/download/piece-map.js';
import { RangePlanner } from '../../src/download/range-planner.js';
import { HttpClient } from '../../src/http/http-client.js';
import { createNodeTransport } from '../../src/http/node.js';

const client = new HttpClient(createNodeTransport());
const broken = new MobillmError('NETWORK_FAILED', 'There is no network.', { retryable: true });

describe('a network that is away for a while', () => {
  it('is one failure, however many connections meet it, and then one of them asks', () => {
    const mirror = new Mirror({ url: 'https://example.org/' }, client, 1000);
    mirror.givesRanges = true;
    const pool = new MirrorPool([mirror], undefined);
    let nowMs = 0;
    for (let round = 0; round < 7; round++) {
      for (let connection = 0; connection < 6; connection++) {
        pool.failed(mirror, broken, false, nowMs);
      }
      expect(pool.choose(0, nowMs)).toBeUndefined();
      // Half a second to a minute and a half, for a first delay of one.
      nowMs += 1.5 * Math.min(1000 * 2 ** round, 30_000);
      expect(pool.choose(0, nowMs)).toBe(mirror);
      mirror.active = 1;
      expect(pool.choose(1, nowMs)).toBeUndefined();
      mirror.active = 0;
      expect(() => pool.checkLeft()).not.toThrow();
    }
    pool.failed(mirror, broken, false, nowMs);
    expect(() => pool.checkLeft()).toThrow(broken);
  });

  it('lets several connections in again once something came', () => {
    const mirror = new Mirror({ url: 'https://example.org/' }, client, 1);
    mirror.givesRanges = true;
    const pool = new MirrorPool([mirror], undefined);
    pool.failed(mirror, broken, false, 0);
    mirror.active = 1;
    mirror.measure(1, 1);
    expect(pool.choose(1, 1000)).toBe(mirror);
  });
});

describe('pieces that have come and are not on the disk yet', () => {
  it('are not fetched a second time', () => {
    const pieces = new PieceMap(100 * pieceBytes);
    const planner = new RangePlanner(pieces);
    const first = planner.take(64)!;
    // Ten have come, and eight are recorded.
    first.next = 10;
    for (let piece = 0; piece < 8; piece++) pieces.add(piece, 0);
    expect(planner.take(64)).toMatchObject({ next: 64, end: 100 });
    // Of a connection that has ended they are missing.
    planner.release(first);
    expect(planner.take(64)).toMatchObject({ next: 8, end: 64 });
  });
});
