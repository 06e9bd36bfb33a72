import { MobillmError, parseQnnManifest } from '@mobillm/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { soundManifest } from '../support/manifests.js';

/** Paths of all values inside a JSON value. */
function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

function replace(value: unknown, path: readonly string[], replacement: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return replacement;
  const copy = (
    Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }
  ) as Record<string, unknown>;
  copy[first] = replace(copy[first], rest, replacement);
  return copy;
}

const paths = pathsOf(soundManifest());

/** What the parser promises for any text. */
function expectSoundOrCoded(text: string): void {
  try {
    const manifest = parseQnnManifest(text, 'qnn-model.json');
    const { kvHeads, headLength, layers } = manifest.parameters;
    // Whatever gets through can be multiplied and allocated with.
    expect(layers * 2 * kvHeads * headLength * 2 * manifest.contextTokens).toBeLessThanOrEqual(
      2 ** 40,
    );
    expect(manifest.binaries[0].file).toMatch(/^[\w.-]+$/);
    expect(manifest.graphs.some(({ tokens }) => tokens === 1)).toBe(true);
  } catch (error) {
    if (!MobillmError.is(error)) throw error;
    expect(['MODEL_INVALID', 'MODEL_UNSUPPORTED']).toContain(error.code);
  }
}

it('is sound or refused with a code, whatever one value is replaced by', () => {
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      expectSoundOrCoded(JSON.stringify(replace(soundManifest(), path, value)));
    }),
    { numRuns: 3000 },
  );
});

it('is sound or refused with a code, whatever number stands where', () => {
  const numbers = paths.filter(
    (path) =>
      typeof path.reduce<unknown>(
        (value, name) => (value as Record<string, unknown>)[name],
        soundManifest(),
      ) === 'number',
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.constantFrom(...numbers), fc.oneof(fc.integer(), fc.double(), fc.nat(3000))),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      (changes) => {
        const value = changes.reduce<unknown>(
          (manifest, [path, number]) => replace(manifest, path, number),
          soundManifest(),
        );
        expectSoundOrCoded(JSON.stringify(value));
      },
    ),
    { numRuns: 3000 },
  );
});

it('is sound or refused with a code, whatever bytes are changed', () => {
  const text = JSON.stringify(soundManifest());
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(text.length - 1), fc.string({ maxLength: 3 })), { maxLength: 8 }),
      (changes) => {
        const characters = text.split('');
        for (const [at, replacement] of changes) characters[at] = replacement;
        expectSoundOrCoded(characters.join(''));
      },
    ),
    { numRuns: 3000 },
  );
});
