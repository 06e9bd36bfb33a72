import { expect, it } from 'vitest';
import { hasShape, requireNumbers } from '../../src/store/model-description.js';
import { models } from '../planner/samples.js';

const bundle = {
  architecture: 'unknown',
  weightBytes: 1000,
  quantization: 'w4a16',
  keyLength: 128,
};

it('tells whether all numbers are there', () => {
  expect(hasShape(models.smol)).toBe(true);
  expect(hasShape(bundle)).toBe(false);
});

it('names the number that is missing', () => {
  expect(requireNumbers(bundle, 'keyLength').keyLength).toBe(128);
  expect(() => requireNumbers(bundle, 'keyLength', 'layers')).toThrow(
    expect.objectContaining({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('does not tell its layers') as string,
      details: { missing: 'layers' },
    }),
  );
});
