import {
  type HardwareProfile,
  mlcParameterCount,
  parseJsonObject,
  parseMlcConfig,
  parseMlcTensorCache,
} from '@mobillm/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkTarget } from '../../src/check-target.js';
import { estimateMemory } from '../../src/memory-estimate.js';
import { soundConfig, soundIndex } from '../support/folder-content.js';
import { orCoded, spoiltJson } from '../support/mutations.js';

const path = 'mlc-chat-config.json';
const cache = parseMlcTensorCache(soundIndex(), 'tensor-cache.json');
const hardware = {
  arch: 'x64',
  cpu: { features: ['avx', 'avx2', 'fma', 'f16c'], model: undefined },
} as unknown as HardwareProfile;

it('reads what our compiler writes', () => {
  expect(parseMlcConfig(soundConfig(), path)).toEqual({
    architecture: 'llama',
    quantization: 'q4f32',
    vocabularySize: 267,
    trainedContextTokens: 2048,
    slidingWindowTokens: undefined,
    chunkTokens: 512,
    tokenizerFiles: [],
    measures: {
      layers: 2,
      embeddingLength: 64,
      feedForwardLength: 128,
      heads: 4,
      kvHeads: 2,
      headLength: 16,
      tiedEmbedding: false,
    },
    own: {
      formatVersion: 1,
      derivedFrom: {
        sourceSha256: 'a'.repeat(64),
        architecture: 'llama',
        vocabularySha256: 'b'.repeat(64),
      },
      ropePairing: 'neox',
      target: { triple: 'x86_64-unknown-linux-gnu', cpu: 'x86-64-v3', features: ['+avx2'] },
      library: { file: 'model.so', sha256: 'c'.repeat(64), bytes: 1000 },
      trainedContextTokens: 2048,
    },
  });
});

it('reads what MLC writes, where its compiler says less', () => {
  const { mobillm: _, ...config } = soundConfig();
  const {
    head_dim: __,
    num_key_value_heads: ___,
    ...model
  } = config['model_config'] as Record<string, unknown>;
  expect(parseMlcConfig({ ...config, model_config: model }, path)).toMatchObject({
    measures: { heads: 4, kvHeads: 4, headLength: 16 },
    own: undefined,
  });
});

it('is sound or refused with a code, whatever is changed', () => {
  fc.assert(
    fc.property(spoiltJson(soundConfig()), (text) => {
      const config = orCoded(() => parseMlcConfig(parseJsonObject(text, path), path));
      if (config === undefined) return;
      const { measures, own } = config;
      // Whatever gets through can be computed with.
      for (const number of [config.vocabularySize, config.chunkTokens, measures.layers]) {
        expect(number).toBeGreaterThanOrEqual(1);
      }
      expect(config.trainedContextTokens).toBeLessThanOrEqual(2 ** 30);
      expect(mlcParameterCount(config)).toBeGreaterThan(0);
      const folder = { config, cache } as never;
      const { totalBytes } = estimateMemory(folder, {
        contextTokens: 2 ** 30,
        sequences: 4,
        device: 'cpu',
      });
      expect(totalBytes).toBeGreaterThan(0);
      expect(totalBytes).toBeLessThan(Infinity);
      if (own === undefined) return;
      expect(own.library.file).toMatch(/^(?!\.{1,2}$)[^/\\:]+$/);
      orCoded(() => checkTarget(own.target, hardware, path));
    }),
    { numRuns: 5000 },
  );
});
