import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CompileReport } from '../../src/engine/compile-report.js';
import type { CompileProgress } from '../../src/engine/model-compiler.js';

describe('CompileReport', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells the last progress again while nothing changes, until it is stopped', () => {
    const told: CompileProgress[] = [];
    const report = new CompileReport((progress) => told.push(progress), 'a', vi.fn());
    report.reach('b', 0.5);
    vi.advanceTimersByTime(1000);
    report.stop();
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
    const report = new CompileReport(({ share }) => shares.push(share), 'a', vi.fn());
    for (const share of [0.5, 0.3, 1.5]) report.reach('a', share);
    report.stop();
    expect(shares).toEqual([0, 0.5, 0.5, 1]);
  });

  it('adds up parts by their weight, read anew each time that it tells', () => {
    const shares: number[] = [];
    const report = new CompileReport(({ share }) => shares.push(share), 'a', vi.fn());
    const [code, weights] = [report.part(0.75), report.part(0.25)];
    code.share = 0.5;
    const end = report.before(() => (weights.share = 1));
    report.step('b');
    end();
    weights.share = 0;
    vi.advanceTimersByTime(500);
    report.stop();
    expect(shares).toEqual([0, 0.625, 0.625]);
  });

  it('keeps what the function threw, says so once and does not call it again', () => {
    const error = new Error('the window was closed');
    const tell = vi.fn(() => {
      throw error;
    });
    const onFailure = vi.fn();
    const report = new CompileReport(tell, 'a', onFailure);
    report.reach('b', 0.5);
    vi.advanceTimersByTime(2000);
    report.stop();
    expect(report.failure).toEqual({ error });
    expect(tell).toHaveBeenCalledTimes(1);
    expect(onFailure).toHaveBeenCalledTimes(1);
  });
});
