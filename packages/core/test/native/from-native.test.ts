import { describe, expect, it } from 'vitest';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { callNative, fromNative } from '../../src/native/from-native.js';

const native = (code: string, message: string, details?: object) =>
  Object.assign(new Error(message), { code, details });

describe('fromNative', () => {
  it('keeps the code, the sentence and the details of a native error', () => {
    const error = native('CONTEXT_FULL', 'It does not fit.', { promptTokens: 12 });
    const result = fromNative(error);
    expect(MobillmError.is(result, 'CONTEXT_FULL')).toBe(true);
    expect(result).toMatchObject({
      message: 'It does not fit.',
      details: { promptTokens: 12 },
      retryable: false,
      cause: error,
    });
  });

  it('calls failures that pass by themselves retryable', () => {
    expect(fromNative(native('BUSY', 'In use.'))).toMatchObject({ retryable: true });
    expect(fromNative(native('OUT_OF_MEMORY', 'Full.'))).toMatchObject({ retryable: true });
  });

  it('leaves a wrong call the TypeError or RangeError that it is', () => {
    const error = Object.assign(new RangeError('"threads": too many'), {
      code: 'INVALID_ARGUMENT',
      key: 'threads',
    });
    expect(fromNative(error)).toBe(error);
  });

  it('leaves an error of the SDK as it is', () => {
    const error = new MobillmError('CLOSED', 'It was closed.');
    expect(fromNative(error)).toBe(error);
  });

  it.each([
    ['an error without a code', new Error('ouch'), 'ouch'],
    ['an error with a code of another library', native('ERR_OTHER', 'ouch'), 'ouch'],
    ['a thrown text', 'ouch', 'ouch'],
  ])('makes %s a NATIVE_FAILURE', (_what, thrown, message) => {
    const result = fromNative(thrown);
    expect(MobillmError.is(result, 'NATIVE_FAILURE')).toBe(true);
    expect(result).toMatchObject({ message, cause: thrown, details: {} });
  });

  it('makes even undefined a NATIVE_FAILURE', () => {
    const result = fromNative(undefined);
    expect(MobillmError.is(result, 'NATIVE_FAILURE')).toBe(true);
    expect(result.message).toBe('undefined');
  });

  it('turns what a native call throws', () => {
    expect(() =>
      callNative(() => {
        throw native('CLOSED', 'It was closed.');
      }),
    ).toThrow(expect.objectContaining({ name: 'MobillmError', code: 'CLOSED' }));
    expect(callNative(() => 5)).toBe(5);
  });
});
