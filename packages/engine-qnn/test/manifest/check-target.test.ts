import { describe, expect, it } from 'vitest';
import type { NativeLibraryFacts } from '../../src/addon.js';
import { checkTarget } from '../../src/manifest/check-target.js';
import { soundManifest } from '../support/manifests.js';

/** A phone of the kind that the sound manifest was compiled for. */
const facts: NativeLibraryFacts = {
  provider: 'HTP_QTI_AISW',
  buildId: 'v2.51.0.260929181845',
  coreApi: '2.40.0',
  backendApi: '5.51.0',
  systemApi: '1.15.0',
  devices: [{ id: 0, socModel: 57, htpArch: 75, vtcmMb: 8 }],
  emulated: false,
};

const check = (own: Partial<NativeLibraryFacts>) => () =>
  checkTarget(soundManifest(), { ...facts, ...own }, '/models/qnn-model.json');

describe('checkTarget', () => {
  it.each([
    ['the same library and chip', {}],
    ['a newer library', { coreApi: '2.47.1', backendApi: '5.60.0' }],
    ['another chip of the same Hexagon', { devices: [{ ...facts.devices[0]!, socModel: 68 }] }],
    ['a library that names no device', { devices: [] }],
    [
      'the emulator, which imitates any chip',
      { emulated: true, devices: [{ ...facts.devices[0]!, socModel: 30, htpArch: 68 }] },
    ],
  ])('lets a model pass for %s', (_what, own) => {
    expect(check(own)).not.toThrow();
  });

  it('names the Hexagon alone of a model that does not say its chip', () => {
    const { madeWith, ...rest } = soundManifest();
    const manifest = { ...rest, madeWith: { ...madeWith, socModel: 0, htpArch: 68 } };
    expect(() => {
      checkTarget(manifest, facts, '/models/qnn-model.json');
    }).toThrow(/compiled for Hexagon V68, and this device has Hexagon V75 \(SM8650\)/);
  });

  it.each([
    [
      'an older core API',
      { coreApi: '2.39.9' },
      /QNN API 2\.40\.0 .* 2\.39\.9 .* compile the model again/,
    ],
    ['another core API', { coreApi: '3.0.0' }, /QNN API 2\.40\.0 .* 3\.0\.0/],
    ['an older HTP API', { backendApi: '5.50.0' }, /HTP API 5\.51\.0 .* 5\.50\.0/],
    [
      'another Hexagon',
      { devices: [{ id: 0, socModel: 69, htpArch: 79, vtcmMb: 8 }] },
      /compiled for Hexagon V75 \(SM8650\), and this device has Hexagon V79 \(SM8750\)\. Compile it again with the option socModel 69/,
    ],
  ])('refuses a model for %s, saying what to rebuild', (_what, own, sentence) => {
    expect(check(own)).toThrow(
      expect.objectContaining({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringMatching(sentence) as string,
      }),
    );
  });
});
