import { describe, expect, it } from 'vitest';
import type { ModelDriver } from '../../engine/driver.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { type EngineFixture, suiteOpenOptions } from './fixture.js';
import { drive, rejection } from '../drive.js';
import { promptOf } from './driving.js';

/** Closing: twice, while running, and calls that come after. */
export function testDriverClosing(fixture: EngineFixture): void {
  const openModel = (): Promise<ModelDriver> =>
    fixture.driver.open(fixture.options.files, suiteOpenOptions(fixture.options, 1));

  describe('closing', () => {
    it('may be called twice, on a model and on a sequence', async () => {
      const model = await openModel();
      const sequence = await model.createSequence();
      await sequence.close();
      await sequence.close();
      await model.close();
      await model.close();
      expect(MobillmError.is(await rejection(model.createSequence()), 'CLOSED')).toBe(true);
    });

    it('stops a running generation, which then says CLOSED', async () => {
      const model = await openModel();
      const prompt = promptOf(model);
      const sequence = await model.createSequence();
      const running = rejection(drive(sequence, prompt, { maxTokens: 400 }));
      await model.close();
      const error = await running;
      expect(MobillmError.is(error, 'CLOSED')).toBe(true);
    });

    it('leaves nothing of a closed model to use', async () => {
      const model = await openModel();
      const prompt = promptOf(model);
      const sequence = await model.createSequence();
      await model.close();
      for (const call of [
        () => drive(sequence, prompt),
        () => sequence.truncate(0),
        () => model.createSequence(),
        async () => model.tokenizer.encode(await Promise.resolve('a')),
      ]) {
        expect(MobillmError.is(await rejection(call()), 'CLOSED')).toBe(true);
      }
    });
  });
}
