import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPlan } from '../../src/planner/format-plan.js';
import { planModel, type PlanModelOptions } from '../../src/planner/plan-model.js';
import type { Plan } from '../../src/planner/plan.js';
import { engine, models, serverWith } from './samples.js';

const gigabyte = 1_000_000_000;

function plan(options: Partial<PlanModelOptions> = {}): Plan {
  return planModel({ hardware: serverWith(8 * gigabyte), model: models.smol, engine, ...options });
}

describe('planModel', () => {
  it('plans a model with room to spare in full', () => {
    expect(plan()).toEqual({
      fits: true,
      model: {
        name: 'SmolLM2-135M',
        architecture: 'llama',
        quantization: 'Q4_1',
        parameterCount: 134_515_008,
      },
      engine: 'llamacpp',
      device: 'cpu',
      contextTokens: 8192,
      sequences: 4,
      threads: 2,
      keyType: 'f16',
      valueType: 'f16',
      batchTokens: 512,
      memory: {
        weightsBytes: 96_576_768,
        kvCacheBytes: 188_743_680,
        computeBytes: 22_544_384,
        overheadBytes: 23_904_256,
        totalBytes: 331_769_088,
      },
      budget: {
        budgetBytes: 7_200_000_000,
        availableBytes: 8_000_000_000,
        reserveBytes: 800_000_000,
        source: 'live',
        limitedBy: 'machine',
      },
      reasons: [
        'The whole context that the model was trained for, 8192 tokens, fits.',
        'It takes 332 MB; 8.00 GB are available now, of which 800 MB are left to the rest of the system.',
        '2 threads: one for each fast core that this process may use, of 2 cores in all.',
      ],
    });
  });

  describe('of a model that does not tell its shape', () => {
    const { name = '', architecture, quantization, vocabularySize } = models.llama8;
    const model = { name, architecture, quantization, vocabularySize, weightBytes: 4_912_898_048 };

    it('counts what is known, and says that it is not all', () => {
      const fitting = plan({ model });
      expect(fitting).toMatchObject({
        fits: true,
        contextTokens: 8192,
        memory: {
          weightsBytes: 4_912_898_048,
          kvCacheBytes: 0,
          computeBytes: 0,
          overheadBytes: 10 * 2 ** 20 + 256 * 128_256,
          totalBytes: 4_912_898_048 + 10 * 2 ** 20 + 256 * 128_256,
        },
      });
      expect(fitting.reasons).toContain(
        'The model does not tell its layers and heads, so its cache and what it computes are not counted.',
      );
      expect(fitting.reasons[0]).toBe('A context of 8192 tokens, the most that is taken unasked.');
      expect(formatPlan(fitting)[0]).toBe('Llama-3.1-8B (Q4_K_M) fits with llamacpp on cpu');
    });

    it('refuses weights that do not fit', () => {
      const refused = plan({ model, hardware: serverWith(4 * gigabyte) });
      expect(refused).toMatchObject({ fits: false, shortBytes: 1_356_217_344 });
      expect(refused).toMatchObject({
        suggestions: [{ kind: 'free-memory' }, { kind: 'smaller-model' }],
      });
    });

    it('keeps to the context that it was compiled for', () => {
      const compiled = { ...model, trainedContextTokens: 4096 };
      expect(plan({ model: compiled }).contextTokens).toBe(4096);
      expect(() => plan({ model: compiled, contextTokens: 4097 })).toThrow(RangeError);
    });
  });

  it('counts the matrix of scores that llama.cpp computes attention with on the CPU', () => {
    const compute = (own: Partial<PlanModelOptions>) => plan(own).memory.computeBytes;
    const llamacpp = compute({ contextTokens: 4096 });
    // 4 bytes × 9 heads × 512 tokens × 4096 cells, and what lies beside it.
    expect(llamacpp).toBeGreaterThan(75_497_472);
    const blocks = compute({ contextTokens: 4096, valueType: 'q8_0' });
    expect(blocks).toBeLessThan(20_000_000);
    expect(compute({ contextTokens: 4096, engine: { ...engine, name: 'other' } })).toBe(blocks);
    const gpu = { id: 'gpu0', kind: 'gpu', name: 'A card' } as const;
    expect(compute({ contextTokens: 4096, engine: { ...engine, devices: [gpu] } })).toBe(blocks);
  });

  it('takes no more than 8192 tokens unasked, and the trained context when asked', () => {
    expect(plan({ model: models.qwen05 }).contextTokens).toBe(8192);
    const asked = plan({ model: models.qwen05, contextTokens: 32_768 });
    expect(asked).toMatchObject({ fits: true, contextTokens: 32_768 });
    expect(asked.reasons[0]).toBe('The context of 32768 tokens that was asked for fits.');
  });

  it('takes the largest context that fits a phone', () => {
    const tight = plan({ model: models.llama8, hardware: serverWith(6.2 * gigabyte) });
    expect(tight).toMatchObject({ fits: true, contextTokens: 3072, sequences: 4 });
    expect(tight.reasons[0]).toBe(
      'A context of 3072 tokens is the largest that fits; the model was trained for 131072.',
    );
  });

  it('refuses with the number that refused it and what would help', () => {
    const refused = plan({ model: models.llama8, hardware: serverWith(4 * gigabyte) });
    expect(refused).toMatchObject({
      fits: false,
      contextTokens: 512,
      shortBytes: refused.memory.totalBytes - 3_600_000_000,
      reasons: [
        '5.15 GB are needed at 512 tokens of context, but 4.00 GB are available now, of which 400 MB are left to the rest of the system.',
      ],
      suggestions: [
        {
          kind: 'free-memory',
          bytes: 1_725_871_219,
          sentence: 'It fits once 1.73 GB more are free: end other programs.',
        },
        {
          kind: 'smaller-model',
          weightBytes: 3_359_613_952,
          sentence: 'A model with at most about 3.36 GB of weights fits here.',
        },
      ],
    });
  });

  it('offers fewer bits a weight where they are enough', () => {
    const refused = plan({ model: models.llama8, hardware: serverWith(5 * gigabyte) });
    expect(refused.fits ? [] : refused.suggestions.map(({ kind }) => kind)).toEqual([
      'free-memory',
      'quantization',
    ]);
    expect(refused).toMatchObject({
      suggestions: [
        {},
        {
          quantization: 'Q3_K_M',
          weightBytes: 4_011_115_494,
          sentence: 'The same model as Q3_K_M fits: about 4.01 GB of weights instead of 4.91 GB.',
        },
      ],
    });
  });

  it('offers a smaller context where one was asked for', () => {
    const refused = plan({
      model: models.llama8,
      hardware: serverWith(8 * gigabyte),
      contextTokens: 131_072,
    });
    expect(refused).toMatchObject({
      fits: false,
      contextTokens: 131_072,
      suggestions: [{ kind: 'context', contextTokens: 12_288 }],
    });
  });

  it('does not tell to free memory that the machine does not have', () => {
    const refused = plan({
      model: { ...models.llama8, weightBytes: 40 * gigabyte, parameterCount: 70_000_000_000 },
    });
    expect(refused.fits ? [] : refused.suggestions.map(({ kind }) => kind)).toEqual([
      'smaller-model',
    ]);
  });

  it('plans without a check where memory cannot be read, and says so', () => {
    const blind = plan({ hardware: { ...serverWith(1), os: 'browser', memory: {} } });
    expect(blind.fits).toBe(true);
    expect(blind.budget).toEqual({ reserveBytes: 0, source: 'unknown' });
    expect(blind.reasons[1]).toBe(
      'It takes 332 MB; how much memory is available could not be read, so nothing was held against it.',
    );
  });

  it('says that its formulas are those of llama.cpp when it plans for another engine', () => {
    const other = plan({ engine: { ...engine, name: 'mlc', capabilities: { maxSequences: 1 } } });
    expect(other.sequences).toBe(1);
    expect(other.reasons.at(-1)).toBe(
      "Memory is reckoned by llama.cpp's formulas; mlc may need more or less.",
    );
  });

  it.each([
    [{ contextTokens: 8193 }, RangeError, 'contextTokens'],
    [{ contextTokens: 0 }, RangeError, 'contextTokens'],
    [{ contextTokens: 'all' }, TypeError, 'contextTokens'],
    [{ sequences: 257 }, RangeError, 'sequences'],
    [{ device: 'gpu0' }, RangeError, 'device'],
    [{ keyType: 'q3' }, TypeError, 'keyType'],
    [{ kvpool: 'shared' }, RangeError, 'kvpool'],
    [{ hardware: null }, TypeError, 'hardware'],
    [{ model: { ...models.smol, layers: '30' } }, TypeError, 'model.layers'],
    [{ model: { ...models.smol, weightBytes: undefined } }, TypeError, 'model.weightBytes'],
    [{ model: { ...models.smol, weightBytes: NaN } }, TypeError, 'model.weightBytes'],
  ])('refuses %j', (options, kind, key) => {
    const call = () => plan(options as Partial<PlanModelOptions>);
    expect(call).toThrow(kind);
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', key }) as Error);
  });
});

const anyOptions = fc.record({
  model: fc.constantFrom(...Object.values(models)),
  sequences: fc.integer({ min: 1, max: 8 }),
  batchTokens: fc.constantFrom(64, 256, 512, 2048),
  kvPool: fc.constantFrom('shared' as const, 'per-sequence' as const),
  contextTokens: fc.constantFrom('auto' as const, 700, 4096, 8192),
});
const anyBytes = fc.integer({ min: 0, max: 16 * gigabyte });

describe('every plan', () => {
  it('that fits stays within what is available less the reserve', () => {
    fc.assert(
      fc.property(anyOptions, anyBytes, (options, bytes) => {
        const made = plan({ ...options, hardware: serverWith(bytes) });
        const budgetBytes = made.budget.budgetBytes ?? NaN;
        expect(budgetBytes + made.budget.reserveBytes).toBe(bytes);
        expect(made.fits).toBe(made.memory.totalBytes <= budgetBytes);
        if (!made.fits) expect(made.shortBytes).toBe(made.memory.totalBytes - budgetBytes);
      }),
    );
  });

  it('has no less context with more memory', () => {
    fc.assert(
      fc.property(anyOptions, anyBytes, anyBytes, (options, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const poor = plan({ ...options, hardware: serverWith(less) });
        const rich = plan({ ...options, hardware: serverWith(more) });
        expect(rich.contextTokens).toBeGreaterThanOrEqual(poor.contextTokens);
        if (poor.fits) expect(rich.fits).toBe(true);
      }),
    );
  });

  it('that refuses gives suggestions that hold', () => {
    fc.assert(
      fc.property(anyOptions, anyBytes, (options, bytes) => {
        const refused = plan({ ...options, hardware: serverWith(bytes) });
        if (refused.fits) return;
        for (const suggestion of refused.suggestions) {
          const again = (change: Partial<PlanModelOptions>) =>
            plan({
              ...options,
              contextTokens: refused.contextTokens,
              hardware: serverWith(bytes),
              ...change,
            });
          const { model } = options;
          const helped =
            suggestion.kind === 'context'
              ? again({ contextTokens: suggestion.contextTokens })
              : suggestion.kind === 'sequences'
                ? again({ sequences: suggestion.sequences })
                : suggestion.kind === 'free-memory'
                  ? again({ hardware: serverWith(bytes + suggestion.bytes) })
                  : again({ model: { ...model, weightBytes: suggestion.weightBytes } });
          expect([suggestion.kind, helped.fits]).toEqual([suggestion.kind, true]);
        }
      }),
    );
  });

  it('survives JSON and is the same again', () => {
    fc.assert(
      fc.property(anyOptions, anyBytes, (options, bytes) => {
        const made = plan({ ...options, hardware: serverWith(bytes) });
        expect(JSON.parse(JSON.stringify(made))).toEqual(made);
        expect(plan({ ...options, hardware: serverWith(bytes) })).toEqual(made);
      }),
    );
  });
});

describe('formatPlan', () => {
  it('writes a plan that fits', () => {
    expect(formatPlan(plan())).toEqual([
      'SmolLM2-135M (135 M, Q4_1) fits with llamacpp on cpu',
      '  context  8192 tokens, 4 sequences, KV f16/f16, 2 threads',
      '  memory   332 MB of 7.20 GB: weights 97 MB, KV cache 189 MB, compute 23 MB, other 24 MB',
      '  - The whole context that the model was trained for, 8192 tokens, fits.',
      '  - It takes 332 MB; 8.00 GB are available now, of which 800 MB are left to the rest of the system.',
      '  - 2 threads: one for each fast core that this process may use, of 2 cores in all.',
    ]);
  });

  it('writes a refusal with what would help', () => {
    const { name: _, ...nameless } = models.llama8;
    expect(
      formatPlan(plan({ model: nameless, hardware: serverWith(4 * gigabyte), sequences: 1 })),
    ).toEqual([
      'llama (8.0 B, Q4_K_M) does not fit with llamacpp on cpu: 1.55 GB short',
      '  memory   5.15 GB of 3.60 GB: weights 4.91 GB, KV cache 67 MB, compute 122 MB, other 51 MB',
      '  - 5.15 GB are needed at 512 tokens of context, but 4.00 GB are available now, of which 400 MB are left to the rest of the system.',
      '  > It fits once 1.73 GB more are free: end other programs.',
      '  > A model with at most about 3.36 GB of weights fits here.',
    ]);
  });
});
