import { describe, expect, it } from 'vitest';
import { parseQnnManifest } from '@mobillm/core';
import { writeManifest } from '../../src/manifest/write-manifest.js';
import { soundManifest, withField } from '../support/manifests.js';

const path = '/models/tiny/qnn-model.json';

const failure = (text: string): unknown => {
  try {
    parseQnnManifest(text, path);
  } catch (error) {
    return error;
  }
  return 'nothing was thrown';
};

const { formatVersion: _, ...sound } = soundManifest();

describe('parseQnnManifest', () => {
  it('reads what writeManifest writes', () => {
    expect(parseQnnManifest(writeManifest(sound), path)).toEqual(sound);
  });

  it('needs no name', () => {
    const { name: __, ...nameless } = sound;
    expect(parseQnnManifest(writeManifest(nameless), path)).toEqual(nameless);
  });

  it.each([
    ['', ''],
    ['{', ''],
    ['null', ''],
    ['[]', ''],
    ['"text"', ''],
    ['1e999', ''],
    ['{}', 'formatVersion'],
  ])('refuses %j', (text, key) => {
    expect(failure(text)).toMatchObject({
      name: 'MobillmError',
      code: 'MODEL_INVALID',
      details: { path, key: expect.stringContaining(key) as string },
    });
  });

  const required = [
    'formatVersion',
    'derivedFrom',
    'derivedFrom.sourceSha256',
    'derivedFrom.architecture',
    'derivedFrom.vocabularySha256',
    ...Object.keys(sound.parameters).map((name) => `parameters.${name}`),
    'contextTokens',
    'dtype',
    'ropePairing',
    'graphs',
    'graphs.0.name',
    'graphs.1.tokens',
    'binaries',
    'binaries.0.file',
    'binaries.0.bytes',
    'binaries.0.sha256',
    ...Object.keys(sound.madeWith).map((name) => `madeWith.${name}`),
    'sharedWeights',
  ];
  const shown = (field: string) => field.replace(/\.(\d)/, '[$1]');

  it.each(required)('refuses a manifest without %s, naming it', (field) => {
    expect(failure(JSON.stringify(withField(soundManifest(), field, undefined)))).toMatchObject({
      code: 'MODEL_INVALID',
      details: { path, key: shown(field) },
    });
  });

  it.each([
    ['formatVersion', 0],
    ['formatVersion', '1'],
    ['name', ''],
    ['name', 'a\nb'],
    ['name', 'x'.repeat(257)],
    ['derivedFrom.sourceSha256', 'A'.repeat(64)],
    ['derivedFrom.sourceSha256', `${'a'.repeat(64)}\n`],
    ['derivedFrom.architecture', 7],
    ['parameters.layers', 0],
    ['parameters.layers', 513],
    ['parameters.layers', 1.5],
    ['parameters.heads', -4],
    ['parameters.kvHeads', 3],
    ['parameters.headLength', 15],
    ['parameters.vocabularySize', 2 ** 40],
    ['parameters.rmsEpsilon', 0],
    ['parameters.ropeBase', null],
    ['parameters.ropeScale', 0],
    ['contextTokens', 2 ** 30],
    ['graphs', []],
    ['graphs', {}],
    [
      'graphs',
      Array.from({ length: 17 }, (_unused, index) => ({ name: `g${index}`, tokens: index + 1 })),
    ],
    ['graphs.0.name', '../../etc/passwd'],
    ['graphs.0.name', 'a\u0000b'],
    ['graphs.0.tokens', 512],
    ['binaries', []],
    ['binaries.0.file', '../model.bin'],
    ['binaries.0.file', '/etc/passwd'],
    ['binaries.0.file', 'C:\\model.bin'],
    ['binaries.0.file', '..'],
    ['binaries.0.file', '.hidden'],
    ['binaries.0.file', 'a'.repeat(200)],
    ['binaries.0.bytes', 0],
    ['binaries.0.bytes', 2 ** 37],
    ['binaries.0.sha256', 'c'.repeat(63)],
    ['madeWith.buildId', 'x'.repeat(200)],
    ['madeWith.coreApi', '2.40'],
    ['madeWith.socModel', -1],
    ['sharedWeights', 'yes'],
  ])('refuses %s = %j, naming it', (field, value) => {
    expect(failure(JSON.stringify(withField(soundManifest(), field, value)))).toMatchObject({
      code: 'MODEL_INVALID',
      details: { path, key: shown(field) },
    });
  });

  it.each([
    ['two graphs of one name', 'graphs.1.name', 'prefill_32', 'graphs'],
    ['two graphs of as many tokens', 'graphs.1.tokens', 32, 'graphs'],
    ['no graph that decodes', 'graphs.1.tokens', 2, 'graphs'],
  ])('refuses %s', (_what, field, value, key) => {
    expect(failure(JSON.stringify(withField(soundManifest(), field, value)))).toMatchObject({
      code: 'MODEL_INVALID',
      details: { key },
    });
  });

  it('refuses a cache that no device can hold', () => {
    const parameters = {
      ...sound.parameters,
      layers: 512,
      heads: 1024,
      kvHeads: 1024,
      headLength: 1024,
    };
    const text = JSON.stringify({ ...soundManifest(), parameters, contextTokens: 2 ** 20 });
    expect(failure(text)).toMatchObject({
      code: 'MODEL_INVALID',
      details: { key: 'contextTokens' },
    });
  });

  it.each([
    ['a newer layout', 'formatVersion', 2],
    ['another architecture', 'derivedFrom.architecture', 'qwen2'],
    ['another number format', 'dtype', 'a16w8'],
    ['another rotation', 'ropePairing', 'interleaved'],
    ['several binaries', 'binaries', [sound.binaries[0], sound.binaries[0]]],
  ])('tells %s from a broken manifest', (_what, field, value) => {
    expect(failure(JSON.stringify(withField(soundManifest(), field, value)))).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringMatching(/[Cc]ompile (the model|it) again/) as string,
      details: { path },
    });
  });

  it.each([
    ['at the top', { ...soundManifest(), run: 'x' }, 'run'],
    ['further in', withField(soundManifest(), 'binaries.0.url', 'http://x'), 'binaries[0].url'],
    [
      'that objects have by birth',
      JSON.parse('{"formatVersion":1,"__proto__":{}}') as unknown,
      '__proto__',
    ],
  ])('refuses a field that it does not know, %s', (_where, value, key) => {
    expect(failure(JSON.stringify(value))).toMatchObject({
      code: 'MODEL_INVALID',
      details: { key },
    });
  });
});
