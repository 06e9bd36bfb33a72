import { mlcWeightBytes, parseJsonObject, parseMlcTensorCache } from '@mobillm/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseLibraryMetadata } from '../../src/folder/library-metadata.js';
import { shardsFor } from '../../src/folder/shards-for.js';
import { soundIndex, soundMetadata } from '../support/folder-content.js';
import { orCoded, spoiltJson } from '../support/mutations.js';

const path = 'tensor-cache.json';
const { parameters } = parseLibraryMetadata(JSON.stringify(soundMetadata()), 'model.so');

it('gives each tensor the place of its parameter', () => {
  const tensor = { dtype: 'float32', fromBf16: false };
  const cache = parseMlcTensorCache(soundIndex(), path);
  expect(mlcWeightBytes(cache)).toBe(224);
  expect(shardsFor(cache, '/models/tiny', parameters)).toEqual([
    {
      path: '/models/tiny/params_shard_0.bin',
      bytes: 192,
      md5: 'd'.repeat(32),
      tensors: [
        { ...tensor, parameter: 1, offset: 0, bytes: 128, shape: [4, 8] },
        { ...tensor, parameter: 2, offset: 128, bytes: 64, shape: [16] },
      ],
    },
    {
      path: '/models/tiny/params_shard_1.bin',
      bytes: 32,
      md5: 'e'.repeat(32),
      tensors: [{ ...tensor, parameter: 0, offset: 0, bytes: 32, shape: [8] }],
    },
  ]);
});

it('leaves out shards and tensors that no parameter asks for', () => {
  const [, ...others] = parameters;
  const shards = shardsFor(parseMlcTensorCache(soundIndex(), path), '/models', others);
  expect(shards.map(({ path: file, tensors }) => [file, tensors.length])).toEqual([
    ['/models/params_shard_0.bin', 2],
  ]);
});

it('is sound or refused with a code, whatever is changed', () => {
  fc.assert(
    fc.property(spoiltJson(soundIndex()), (text) => {
      const shards = orCoded(() =>
        shardsFor(parseMlcTensorCache(parseJsonObject(text, path), path), '/models', parameters),
      );
      if (shards === undefined) return;
      // Each parameter has its tensor, in a file of the folder.
      const places = shards.flatMap(({ tensors }) => tensors.map(({ parameter }) => parameter));
      expect(places.sort()).toEqual([0, 1, 2]);
      for (const { path: file, bytes, tensors } of shards) {
        expect(file).toMatch(/^\/models\/(?!\.{1,2}$)[^/\\:]+$/);
        expect(bytes).toBeGreaterThanOrEqual(0);
        const offsets = tensors.map(({ offset }) => offset);
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      }
    }),
    { numRuns: 5000 },
  );
});
