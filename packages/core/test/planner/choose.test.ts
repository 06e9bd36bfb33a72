import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CpuProfile } from '../../src/hardware/hardware-profile.js';
import {
  chooseContext,
  chooseContextAsync,
  contextCandidates,
} from '../../src/planner/choose-context.js';
import { chooseThreads } from '../../src/planner/choose-threads.js';
import { serverWith } from './samples.js';

describe('chooseContext', () => {
  it('tries powers of two and one and a half times these, and both ends', () => {
    expect(contextCandidates({ maxTokens: 8192 })).toEqual([
      8192, 6144, 4096, 3072, 2048, 1536, 1024, 768, 512,
    ]);
    expect(contextCandidates({ maxTokens: 5000, minTokens: 700 })).toEqual([
      5000, 4096, 3072, 2048, 1536, 1024, 768, 700,
    ]);
    expect(contextCandidates({ maxTokens: 100 })).toEqual([100]);
  });

  it('gives the largest candidate that fits, in at most eight questions', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.nat(1_000_000),
        fc.integer({ min: 0, max: 1_000_000_000 }),
        (maxTokens, perToken, fixed, available) => {
          const asked: number[] = [];
          const chosen = chooseContext(
            (tokens) => {
              asked.push(tokens);
              return fixed + tokens * perToken;
            },
            available,
            { maxTokens },
          );
          const best = contextCandidates({ maxTokens }).find(
            (tokens) => fixed + tokens * perToken <= available,
          );
          expect(chosen).toEqual(
            best === undefined
              ? undefined
              : { contextTokens: best, totalBytes: fixed + best * perToken },
          );
          expect(asked.length).toBeLessThanOrEqual(8);
        },
      ),
    );
  });

  it('asks once where the largest fits', () => {
    const asked: number[] = [];
    chooseContext((tokens) => asked.push(tokens), 10, { maxTokens: 8192 });
    expect(asked).toEqual([8192]);
  });

  it('waits for an estimator that has to ask, and passes its failure on', async () => {
    const range = { maxTokens: 8192 };
    expect(
      await chooseContextAsync((tokens) => Promise.resolve(tokens * 1000), 3_500_000, range),
    ).toEqual({ contextTokens: 3072, totalBytes: 3_072_000 });
    const failure = new Error('no such file');
    await expect(chooseContextAsync(() => Promise.reject(failure), 1, range)).rejects.toBe(failure);
  });

  it.each([
    [{ maxTokens: 0 }, 'maxTokens'],
    [{ maxTokens: 1.5 }, 'maxTokens'],
    [{ maxTokens: 10, minTokens: 11 }, 'minTokens'],
  ])('refuses the range %j', (range, key) => {
    expect(() => chooseContext(() => 0, 1, range)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key }) as Error,
    );
  });

  it('refuses available bytes that are no number', () => {
    expect(() => chooseContext(() => 0, NaN, { maxTokens: 1 })).toThrow(TypeError);
  });
});

const phoneCpu: CpuProfile = {
  logicalCpus: 8,
  cores: 8,
  clusters: [
    { coreClass: 'prime', cores: 1, cpusByCore: [[7]] },
    { coreClass: 'performance', cores: 5, cpusByCore: [[2], [3], [4], [5], [6]] },
    { coreClass: 'efficiency', cores: 2, cpusByCore: [[0], [1]] },
  ],
  features: [],
};

function threadsOf(cpu: Partial<CpuProfile>): number {
  return chooseThreads({ ...serverWith(1), cpu: { ...phoneCpu, ...cpu } }).threads;
}

describe('chooseThreads', () => {
  it('takes one for each fast core', () => {
    expect(threadsOf({})).toBe(6);
  });

  it('keeps to the affinity, and to small cores where it must', () => {
    expect(threadsOf({ allowedCpus: [0, 1, 2, 3, 4, 5, 6] })).toBe(5);
    expect(threadsOf({ allowedCpus: [0, 1] })).toBe(2);
  });

  it('counts two threads of a core as one', () => {
    expect(chooseThreads(serverWith(1))).toEqual({
      threads: 2,
      reasons: ['2 threads: one for each fast core that this process may use, of 2 cores in all.'],
    });
    const { cpu } = serverWith(1);
    expect(threadsOf({ ...cpu, allowedCpus: [0, 1] })).toBe(1);
    expect(threadsOf({ ...cpu, allowedCpus: [0, 2] })).toBe(2);
  });

  it('keeps to the quota, and says so', () => {
    expect(threadsOf({ quotaCpus: 0.5 })).toBe(1);
    expect(threadsOf({ quotaCpus: 8 })).toBe(6);
    const limited = chooseThreads({ ...serverWith(1), cpu: { ...phoneCpu, quotaCpus: 2.5 } });
    expect(limited.threads).toBe(2);
    expect(limited.reasons[1]).toBe('A control group grants 2.5 CPUs, so 2 threads.');
  });

  it('takes no more than others leave free, and never none', () => {
    expect(threadsOf({ idleShare: 1 })).toBe(6);
    expect(threadsOf({ idleShare: 0.5 })).toBe(4);
    expect(threadsOf({ idleShare: 0 })).toBe(1);
  });

  it('takes half of the logical CPUs where the kinds of cores are not known', () => {
    expect(threadsOf({ clusters: [] })).toBe(4);
    expect(threadsOf({ clusters: [], logicalCpus: 1 })).toBe(1);
  });
});
