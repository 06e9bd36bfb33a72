import { describe, expect, it } from 'vitest';
import type { DriverOpenOptions } from '../../engine/driver.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { contextTokensOf, type EngineFixture, suiteOpenOptions } from './fixture.js';
import { rejection } from '../drive.js';

/** Opening: what the model tells, progress, abort, missing files. */
export function testDriverOpening(fixture: EngineFixture): void {
  const openOptions = (): DriverOpenOptions => suiteOpenOptions(fixture.options, 1);

  describe('opening', () => {
    it('tells what the model is', () => {
      const { info, contextTokens, kvPoolTokens } = fixture.model;
      expect(info.architecture).toMatch(/./u);
      expect(info.trainedContextTokens).toBeGreaterThan(0);
      expect(info.parameterCount).toBeGreaterThan(0);
      expect(info.weightBytes).toBeGreaterThan(0);
      expect(contextTokens).toBeGreaterThanOrEqual(contextTokensOf(fixture.options));
      expect(kvPoolTokens).toBeGreaterThanOrEqual(contextTokens);
    });

    it('inspects a model without opening it, and tells the same', async () => {
      const inspected = await fixture.driver.inspect(fixture.options.files);
      const { architecture, trainedContextTokens } = fixture.model.info;
      expect({ ...inspected }).toMatchObject({ architecture, trainedContextTokens });
    });

    it('tells where every layer lies', () => {
      const placement = fixture.model.placement();
      const { phases, ...whole } = placement;
      if (phases) {
        // An engine made of two says of itself what its decoding side says, and what runs the rest.
        expect(whole).toEqual(phases.decode);
        expect(`${phases.prefill.engine}+${whole.engine}`).toBe(fixture.driver.name);
      } else {
        expect(whole.engine).toBe(fixture.driver.name);
        expect(whole.engineVersion).toBe(fixture.driver.version);
      }
      expect(placement.library).toMatch(/./u);
      expect(placement.threads).toBeGreaterThanOrEqual(1);
      const devices = Object.keys(placement.layersByDevice);
      const known = fixture.driver.devices.map((device) => device.id);
      expect(known).toEqual(expect.arrayContaining(devices));
      const layers = Object.values(placement.layersByDevice).reduce((a, b) => a + b, 0);
      expect(layers).toBeGreaterThan(0);
    });

    it('reports progress that rises to 1', async () => {
      const shares: number[] = [];
      const model = await fixture.driver.open(fixture.options.files, {
        ...openOptions(),
        onProgress: (share) => shares.push(share),
      });
      await model.close();
      expect(shares.at(-1)).toBe(1);
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
      expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    });

    it('rejects with the reason of a signal that is aborted already', async () => {
      const reason = new Error('not needed any more');
      const opening = fixture.driver.open(fixture.options.files, {
        ...openOptions(),
        signal: AbortSignal.abort(reason),
      });
      expect(await rejection(opening)).toBe(reason);
    });

    it('rejects with the reason of a signal that is aborted while it loads', async () => {
      const reason = new Error('not needed any more');
      const abort = new AbortController();
      const opening = fixture.driver.open(fixture.options.files, {
        ...openOptions(),
        signal: abort.signal,
        onProgress: () => {
          abort.abort(reason);
        },
      });
      expect(await rejection(opening)).toBe(reason);
    });

    it('rejects with what the progress callback throws, at its last report too', async () => {
      for (const least of [0, 1]) {
        const reason = new Error('no more');
        const opening = fixture.driver.open(fixture.options.files, {
          ...openOptions(),
          onProgress: (share) => {
            if (share >= least) throw reason;
          },
        });
        expect(await rejection(opening)).toBe(reason);
      }
    });

    it('says FILE_NOT_FOUND for a missing file', async () => {
      const files = {
        format: fixture.options.files.format,
        files: [{ path: fixture.options.missingPath, role: 'weights' }],
      } as const;
      // One after the other: a rejection that waits for its turn is one that nobody handles.
      for (const attempt of [
        () => fixture.driver.open(files, openOptions()),
        () => fixture.driver.inspect(files),
      ]) {
        const error = await rejection(attempt());
        expect(MobillmError.is(error, 'FILE_NOT_FOUND')).toBe(true);
        expect((error as MobillmError).message).toContain(fixture.options.missingPath);
      }
    });

    it('estimates memory by item, and more for a larger context', async (context) => {
      const { estimate } = fixture.driver;
      if (!fixture.driver.capabilities.estimate || !estimate) {
        context.skip('the engine does not declare "estimate"');
        return;
      }
      const ask = (contextTokens: number) =>
        fixture.driver.estimate?.(fixture.options.files, {
          contextTokens,
          sequences: 1,
          engineOptions: fixture.options.engineOptions ?? {},
        });
      // Engines round a context up, to 256 tokens some of them; a compiled model has a longest one.
      const { trainedContextTokens } = await fixture.driver.inspect(fixture.options.files);
      const longest = Math.min(trainedContextTokens, 4 * contextTokensOf(fixture.options));
      const small = await ask(Math.floor(longest / 4));
      const large = await ask(longest);
      if (!small || !large) throw new Error('estimate() gave nothing');
      for (const result of [small, large]) {
        const total = result.items.reduce((sum, item) => sum + item.bytes, 0);
        expect(result.totalBytes).toBe(total);
        expect(result.items.map((item) => item.purpose)).toContain('weights');
      }
      expect(large.totalBytes).toBeGreaterThan(small.totalBytes);
    });
  });
}
