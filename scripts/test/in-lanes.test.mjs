import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inLanes } from '../lib/in-lanes.mjs';

/** Jobs that take turns to be short and long, and how many ran at once at most. */
function jobs(count) {
  let running = 0;
  const seen = { most: 0, begun: [] };
  const all = Array.from({ length: count }, (_, index) => async () => {
    seen.begun.push(index);
    seen.most = Math.max(seen.most, ++running);
    await sleep(index % 2 === 0 ? 20 : 1);
    running--;
    return index * 10;
  });
  return { all, seen };
}

describe('jobs in lanes', () => {
  it('begin in their order, as many at a time as there are lanes, and give results in order', async () => {
    const { all, seen } = jobs(7);
    expect(await inLanes(2, all)).toEqual([0, 10, 20, 30, 40, 50, 60]);
    expect(seen).toEqual({ most: 2, begun: [0, 1, 2, 3, 4, 5, 6] });
  });

  it('go one after another in one lane', async () => {
    const { all, seen } = jobs(4);
    await inLanes(1, all);
    expect(seen.most).toBe(1);
  });

  it('are begun no more after one has failed', async () => {
    const { all, seen } = jobs(6);
    all[1] = () => Promise.reject(new Error('broken'));
    await expect(inLanes(2, all)).rejects.toThrow('broken');
    await sleep(50);
    expect(seen.begun).toEqual([0]);
  });
});
