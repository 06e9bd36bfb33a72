import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseLibraryMetadata } from '../../src/folder/library-metadata.js';
import { soundMetadata } from '../support/folder-content.js';
import { orCoded, spoiltJson } from '../support/mutations.js';

const parse = (content: unknown) => parseLibraryMetadata(JSON.stringify(content), 'model.so');
const refused = (content: unknown): unknown => {
  try {
    return parse(content);
  } catch (error) {
    return error;
  }
};

it('reads what a compiler noted', () => {
  const { params } = soundMetadata();
  expect(parse(soundMetadata())).toEqual({ parameters: params, chunkTokens: 512 });
  expect(parse({ params })).toEqual({ parameters: params, chunkTokens: undefined });
});

it.each([
  ['state of another kind', { ...soundMetadata(), kv_state_kind: 'rnn_state' }],
  ['weights of its own', { ...soundMetadata(), params: [] }],
])('refuses a library with %s', (_what, content) => {
  expect(refused(content)).toMatchObject({ code: 'MODEL_UNSUPPORTED' });
});

it('is sound or refused with a code, whatever is changed', () => {
  fc.assert(
    fc.property(spoiltJson(soundMetadata()), (text) => {
      const metadata = orCoded(() => parseLibraryMetadata(text, 'model.so'));
      if (metadata === undefined) return;
      expect(metadata.parameters.length).toBeGreaterThan(0);
      for (const { name, shape } of metadata.parameters) {
        expect(name.length).toBeGreaterThan(0);
        expect(shape.every((extent) => Number.isSafeInteger(extent) && extent > 0)).toBe(true);
      }
      expect(metadata.chunkTokens ?? 1).toBeGreaterThanOrEqual(1);
    }),
    { numRuns: 5000 },
  );
});
