import type { CompileProgress } from '@mobillm/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Heartbeat } from '../../src/compile/heartbeat.js';

describe('Heartbeat', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells the last progress again while nothing changes, until it is stopped', () => {
    const told: CompileProgress[] = [];
    const heartbeat = new Heartbeat(
      (progress) => told.push(progress),
      { step: 'a', share: 0 },
      vi.fn(),
    );
    heartbeat.report('b', 0.5);
    vi.advanceTimersByTime(1000);
    heartbeat.stop();
    vi.advanceTimersByTime(5000);
    expect(told).toEqual([
      { step: 'a', share: 0 },
      { step: 'b', share: 0.5 },
      { step: 'b', share: 0.5 },
      { step: 'b', share: 0.5 },
    ]);
  });

  it('never falls, and never exceeds 1', () => {
    const shares: number[] = [];
    const heartbeat = new Heartbeat(
      ({ share }) => shares.push(share),
      { step: 'a', share: 0.2 },
      vi.fn(),
    );
    for (const share of [0.5, 0.3, 1.5]) heartbeat.report('a', share);
    heartbeat.stop();
    expect(shares).toEqual([0.2, 0.5, 0.5, 1]);
  });

  it('keeps what the function threw, says so once and does not call it again', () => {
    const error = new Error('the window was closed');
    const tell = vi.fn(() => {
      throw error;
    });
    const onFailure = vi.fn();
    const heartbeat = new Heartbeat(tell, { step: 'a', share: 0 }, onFailure);
    heartbeat.report('b', 0.5);
    vi.advanceTimersByTime(2000);
    heartbeat.stop();
    expect(heartbeat.failure).toEqual({ error });
    expect(tell).toHaveBeenCalledTimes(1);
    expect(onFailure).toHaveBeenCalledTimes(1);
  });
});
