import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MemoryEstimate } from '../../src/engine/device.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { fitContext } from '../../src/runtime/fit-context.js';

/** An estimate of `fixed + tokens × perToken` bytes, counting how often it is asked for. */
function estimator(fixed: number, perToken: number) {
  const asked: number[] = [];
  const estimate = (contextTokens: number): Promise<MemoryEstimate> => {
    asked.push(contextTokens);
    return Promise.resolve({
      items: [],
      totalBytes: fixed + contextTokens * perToken,
      method: 'formula',
      contextTokens,
    });
  };
  return { asked, estimate };
}

/** An engine that has nothing to say of its options. */
const advice = () => [];

const machine = (machineBytes: number | undefined) => ({ machineBytes, devices: [] });

describe('fitting the context to the memory', () => {
  it('takes the largest context when it fits, with a single estimate', async () => {
    const { asked, estimate } = estimator(1000, 10);
    const budgetBytes = 1000 + 8192 * 10;
    const limits = machine(budgetBytes);
    expect(await fitContext({ asked: 'auto', largestTokens: 8192, limits, estimate, advice })).toBe(
      8192,
    );
    expect(asked).toEqual([8192]);
  });

  it('never takes more than fits, nor much less', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 0, max: 8192 }),
        async (fixed, perToken, affordable) => {
          const budgetBytes = fixed + affordable * perToken;
          const { estimate } = estimator(fixed, perToken);
          const limits = machine(budgetBytes);
          const asked = 'auto' as const;
          const options = { asked, largestTokens: 8192, limits, estimate, advice };
          if (affordable < 512) {
            await expect(fitContext(options)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
            return;
          }
          const chosen = await fitContext(options);
          expect(chosen).toBeLessThanOrEqual(affordable);
          expect(chosen).toBeGreaterThan(affordable / 1.5);
        },
      ),
    );
  });

  it('refuses a context that was asked for and does not fit, naming one that does', async () => {
    const { estimate } = estimator(0, 1024);
    const error = await fitContext({
      asked: 4096,
      largestTokens: 8192,
      limits: machine(2 * 2 ** 20),
      estimate,
      advice: (tokens, { neededBytes }) => [`fewer than ${tokens}`, `less than ${neededBytes}`],
    }).catch((reason: unknown) => reason);
    expect(MobillmError.is(error, 'OUT_OF_MEMORY')).toBe(true);
    expect((error as MobillmError).details).toEqual({
      contextTokens: 4096,
      neededBytes: 4 * 2 ** 20,
      availableBytes: 2 * 2 ** 20,
      largestContextTokens: 2048,
    });
    expect((error as MobillmError).message).toMatch(
      /Use a context of 2048 tokens at most, fewer than 4096, less than 4194304, or a smaller model or a smaller quantization of it; or free memory\.$/u,
    );
  });

  it('says nothing of a shorter context where the shortest does not fit', async () => {
    const { estimate } = estimator(10_000_000, 1);
    const limits = machine(1_000_000);
    await expect(
      fitContext({ asked: 4096, largestTokens: 8192, limits, estimate, advice }),
    ).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message:
        'With a context of 4096 tokens this model needs 10 MB of memory, and 1 MB are available. Use a smaller model or a smaller quantization of it; or free memory.',
    });
  });

  it('takes what was asked for where the system does not tell its memory', async () => {
    const { asked, estimate } = estimator(0, 2 ** 40);
    const options = {
      asked: 'auto',
      largestTokens: 4096,
      limits: machine(undefined),
      estimate,
      advice,
    } as const;
    expect(await fitContext(options)).toBe(4096);
    expect(asked).toEqual([]);
  });
});
