import type { ModelDriver } from '../../engine/driver.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { drive, withSequence } from '../drive.js';
import { type EngineFixture, suiteOpenOptions } from './fixture.js';

/**
 * Lets a model work for as long as so many tokens take, on another sequence: a clock that needs no
 * sleeping. An engine with one sequence only gets a second model for it.
 */
export async function passTokens(fixture: EngineFixture, maxTokens: number): Promise<void> {
  const { driver, options, model } = fixture;
  const prompt = promptOf(model);
  if (driver.capabilities.maxSequences > 1) {
    await withSequence(model, (sequence) => drive(sequence, prompt, { maxTokens }));
    return;
  }
  const second = await driver.open(options.files, suiteOpenOptions(options, 1));
  await withSequence(second, (sequence) => drive(sequence, prompt, { maxTokens }));
  await second.close();
}

/** The tokens of a prompt of ordinary words. */
export function promptOf(model: ModelDriver, text = 'Once upon a time there was a'): Token[] {
  return model.tokenizer.encode(text, { addSpecial: true });
}

/** A prompt of exactly that many tokens. */
export function longPrompt(model: ModelDriver, tokenCount: number): Token[] {
  const words = model.tokenizer.encode(' the cat sat on the mat and looked at the dog');
  return Array.from({ length: tokenCount }, (_, index) => words[index % words.length] ?? 0);
}
