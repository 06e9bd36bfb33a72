import { memoryGrowth, type MemoryReading, readMemory } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { writeLora } from './support/lora.js';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const [requests, sessions] = [2000, 16];
/** Kinds of request, of each of which there are some. */
const kinds = 23;

/** What the fixture prints. */
interface Soak extends MemoryReading {
  /** Requests by kind and outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Tokens that were guessed ahead, and rightly so. */
  readonly acceptedTokens: number;
  /** What went wrong, in sentences. */
  readonly wrong: readonly string[];
}

it(`serves ${requests} requests over ${sessions} sessions, whatever others do`, async () => {
  const seed = Date.now() % 2 ** 31;
  const fixture = new URL('./fixtures/soak.mjs', import.meta.url);
  const modelPath = await writeTinyModel(folder);
  const adapters = await Promise.all([1, 2].map((seed) => writeLora(folder, modelPath, { seed })));
  const paths = [modelPath, ...adapters.map(({ path }) => path), folder];
  const args = [...paths, requests, sessions, seed].map(String);
  const soak = (await readMemory(fixture, args)) as Soak;
  console.log(
    `seed ${seed}: grew by ${memoryGrowth(soak)} bytes, ${JSON.stringify(soak.outcomes)}`,
  );
  expect(soak.wrong).toEqual([]);
  const counted = Object.values(soak.outcomes).reduce((sum, count) => sum + count, 0);
  expect(counted).toBe(requests);
  const outcomes = new Set(Object.keys(soak.outcomes).map((key) => key.split(': ')[1]));
  expect([...outcomes].sort()).toEqual(['CLOSED', 'aborted', 'finished']);
  expect(new Set(Object.keys(soak.outcomes).map((key) => key.split(': ')[0])).size).toBe(kinds);
  expect(soak.acceptedTokens).toBeGreaterThan(0);
  expect(memoryGrowth(soak)).toBeLessThan(24 * 2 ** 20);
}, 600_000);
