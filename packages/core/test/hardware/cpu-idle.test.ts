import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  idleShareBetween,
  measureCpuIdle,
  parseProcStat,
  sampleCpuIdle,
} from '../../src/hardware/cpu-idle.js';
import { probeHardwareOn } from '../../src/hardware/probe-hardware.js';
import { fakePlatform } from './fake-platform.js';

const stat = (line: string) => `cpu  ${line}\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n`;
// Of 100 ticks 40 idle and 10 waiting for a disk; the guest's 20 are in the user's already.
const before = stat('1000 0 500 8000 100 0 10 0 900 0');
const after = stat('1040 0 510 8040 110 0 10 0 920 0');

describe('parseProcStat', () => {
  it('sums all states once and counts waiting as idle', () => {
    expect(parseProcStat(before)).toEqual({ idleTicks: 8100, totalTicks: 9610 });
  });

  it('knows nothing of other text', () => {
    expect(parseProcStat('intr 1 2 3')).toBeUndefined();
  });
});

describe('idleShareBetween', () => {
  it('stays between 0 and 1 when a counter steps back, and is undefined without time', () => {
    const from = { idleTicks: 100, totalTicks: 200 };
    expect(idleShareBetween(from, { idleTicks: 99, totalTicks: 210 })).toBe(0);
    expect(idleShareBetween(from, { idleTicks: 130, totalTicks: 220 })).toBe(1);
    expect(idleShareBetween(from, from)).toBeUndefined();
  });
});

describe('measuring', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('compares two readings', async () => {
    const platform = fakePlatform({ files: { '/proc/stat': [before, after] } });
    const share = measureCpuIdle(platform, 100, undefined);
    await vi.runAllTimersAsync();
    expect(await share).toBe(0.5);
  });

  it('gives up at once where the file is hidden', async () => {
    expect(await measureCpuIdle(fakePlatform({}), 100, undefined)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('rejects with the reason when aborted, and leaves no timer', async () => {
    const platform = fakePlatform({ files: { '/proc/stat': before } });
    const controller = new AbortController();
    const reason = new Error('enough');
    const share = measureCpuIdle(platform, 100, controller.signal);
    controller.abort(reason);
    await expect(share).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is part of the profile when asked for, and named when it failed', async () => {
    const files = { '/proc/stat': [before, after] };
    const profile = probeHardwareOn(fakePlatform({ files }), 100);
    await vi.runAllTimersAsync();
    expect((await profile).cpu.idleShare).toBe(0.5);
    expect((await probeHardwareOn(fakePlatform({}), 100)).unknown).toContain('cpu.idleShare');
  });

  it('refuses an interval shorter than two ticks', () => {
    expect(() => sampleCpuIdle({ intervalMs: 1 })).toThrow(RangeError);
  });
});
