import type { Engine, Model, Session } from '@mobillm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLlamaCppEngine } from '../src/index.js';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const tinyPath = await writeTinyModel(folder);
const contextTokens = 256;
const sequences = 4;
const defaults = { temperature: 0, maxTokens: 4 };

describe('the pool of all sequences', () => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await createLlamaCppEngine();
  });
  afterAll(() => engine.close());

  function open(engineOptions: Record<string, unknown>): Promise<Model> {
    return engine.open(tinyPath, {
      contextTokens,
      sequences,
      engineOptions,
      chatTemplate: '{% for message in messages %}{{ message.content }}{% endfor %}',
    });
  }

  /** Four conversations of two turns each, turn by turn, that have nothing in common. */
  async function takeTurns(model: Model): Promise<{ cached: number[]; held: number[] }> {
    const sessions: Session[] = [];
    const held: number[] = [];
    for (let index = 0; index < sequences; index++) {
      const session = await model.createSession({ defaults });
      const said = `${String.fromCharCode(97 + index)}${'xyz'[index % 3]!.repeat(170 + index)}`;
      await session.send(said);
      held.push(session.tokenCount);
      sessions.push(session);
    }
    const cached: number[] = [];
    for (const session of sessions) {
      cached.push((await session.send('And then?')).usage.cachedTokens);
      await session.close();
    }
    return { cached, held };
  }

  it('holds more than one context, and conversations then keep their caches', async () => {
    const narrow = await open({});
    const alone = await takeTurns(narrow);
    await narrow.close();
    const wide = await open({ poolTokens: sequences * contextTokens });
    const { cached, held } = await takeTurns(wide);
    await wide.close();
    expect(held.reduce((sum, tokens) => sum + tokens, 0)).toBeGreaterThan(2 * contextTokens);
    for (const [index, tokens] of held.entries()) {
      expect(cached[index]).toBeGreaterThan(tokens / 2);
      expect(cached[index]).toBeLessThanOrEqual(tokens);
    }
    // So it is the pool that does it: in one of one context each makes room for the next.
    expect(alone.cached[0]).toBe(0);
  });

  it('leaves the limit of one sequence', async () => {
    const model = await open({ poolTokens: 1024 });
    expect(model.contextTokens).toBe(contextTokens);
    const tokens = Array.from({ length: contextTokens + 1 }, () => 5);
    await expect(model.generate({ tokens, ...defaults })).rejects.toMatchObject({
      code: 'CONTEXT_FULL',
      details: { promptTokens: contextTokens + 1, contextTokens },
    });
    const full = await model.generate({ tokens: tokens.slice(2), temperature: 0 });
    expect(full.stopReason).toBe('context-full');
    await model.close();
  });

  it('leaves a sequence the rotation of its own context', async () => {
    // Factors of LongRoPE: those for long contexts turn every pair an eighth as far.
    const factors = (name: string, factor: number) =>
      ({
        name: `rope_factors_${name}.weight`,
        type: 'F32',
        shape: [8],
        data: new Uint8Array(new Float32Array(8).fill(factor).buffer),
      }) as const;
    const path = await writeTinyModel(folder, {
      metadata: {
        'llama.rope.scaling.type': 'longrope',
        'llama.rope.scaling.original_context_length': { type: 'uint32', value: contextTokens },
      },
      tensors: [factors('long', 8), factors('short', 1)],
    });
    const answer = async (tokens: number, poolTokens?: number) => {
      const model = await engine.open(path, {
        contextTokens: tokens,
        sequences,
        threads: 1,
        engineOptions: {
          keyType: 'f32',
          valueType: 'f32',
          flashAttention: 'off',
          batchTokens: 32,
          ...(poolTokens !== undefined && { poolTokens }),
        },
      });
      const prompt = Array.from({ length: 60 }, (_, index) => (index * 37) % 250);
      const { tokens: said } = await model.generate({
        tokens: prompt,
        maxTokens: 40,
        temperature: 0,
      });
      await model.close();
      return said;
    };
    const expected = await answer(contextTokens);
    expect(await answer(contextTokens, 4 * contextTokens)).toEqual(expected);
    // They are read at all: a longer context has the others.
    expect(await answer(2 * contextTokens)).not.toEqual(expected);
  });

  it('is counted by estimates, from one context up to one for each sequence', async () => {
    const bytesOf = async (poolTokens?: number) => {
      const engineOptions = poolTokens === undefined ? {} : { poolTokens };
      const { items } = await engine.estimate(tinyPath, {
        contextTokens,
        sequences,
        engineOptions,
      });
      return items.find(({ purpose }) => purpose === 'kv-cache')!.bytes;
    };
    const one = await bytesOf();
    expect(await bytesOf(1)).toBe(one);
    expect((await bytesOf(2 * contextTokens)) / one).toBeCloseTo(2, 1);
    const all = await bytesOf(sequences * contextTokens);
    expect(all / one).toBeCloseTo(sequences, 1);
    expect(await bytesOf(1_000_000_000)).toBe(all);
  });

  it('takes of the context that fits', async () => {
    const { totalBytes } = await engine.estimate(tinyPath, { contextTokens, sequences });
    const asked = { budgetBytes: totalBytes, sequences, contextTokens: { min: 1 } };
    const plain = await engine.fit(tinyPath, asked);
    const engineOptions = { poolTokens: sequences * contextTokens };
    const shared = await engine.fit(tinyPath, { ...asked, engineOptions });
    expect(shared.estimate.totalBytes).toBeLessThanOrEqual(totalBytes);
    expect(shared.openOptions.contextTokens).toBeLessThan(plain.openOptions.contextTokens);
    expect(shared.openOptions.engineOptions).toMatchObject(engineOptions);
  });

  it('is refused where there is no memory for it', async () => {
    const options = { contextTokens, sequences: 200, engineOptions: { poolTokens: 50_000 } };
    const { totalBytes } = await engine.estimate(tinyPath, options);
    await expect(
      engine.fit(tinyPath, {
        ...options,
        contextTokens: { min: contextTokens, max: contextTokens },
        budgetBytes: Math.floor(totalBytes / 2),
      }),
    ).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  });

  it.each([0, -1, 1.5, 2 ** 31, '512', NaN])('cannot be of %s tokens', async (poolTokens) => {
    await expect(open({ poolTokens })).rejects.toMatchObject({
      key: 'engineOptions.poolTokens',
    });
    await expect(
      engine.estimate(tinyPath, { engineOptions: { poolTokens } }),
    ).rejects.toMatchObject({ key: 'engineOptions.poolTokens' });
  });
});
