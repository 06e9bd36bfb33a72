import { describe, expect, it } from 'vitest';
import * as check from '../../src/errors/check-options.js';
import { errorCodes } from '../../src/errors/error-code.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';

describe('MobillmError', () => {
  it('is known by its mark, not by its class, so that copies of the package agree', () => {
    const error = new MobillmError('BUSY', 'Later.', { retryable: true, details: { n: 1 } });
    const foreign = Object.assign(new Error('Later.'), {
      code: 'BUSY',
      [Symbol.for('@mobillm/core/error')]: true,
    });
    expect(MobillmError.is(error)).toBe(true);
    expect(MobillmError.is(error, 'BUSY')).toBe(true);
    expect(MobillmError.is(error, 'CLOSED')).toBe(false);
    expect(MobillmError.is(foreign, 'BUSY')).toBe(true);
    expect(MobillmError.is(new Error('Later.'))).toBe(false);
    expect(MobillmError.is(undefined)).toBe(false);
    expect({ ...error, message: error.message }).toEqual({
      name: 'MobillmError',
      code: 'BUSY',
      message: 'Later.',
      retryable: true,
      details: { n: 1 },
    });
  });

  it('has every code once, in order', () => {
    expect([...errorCodes]).toEqual([...errorCodes].sort());
  });
});

describe('checking options', () => {
  const options = check.optionsObject({
    count: check.integer({ min: 1, max: 9 }),
    share: check.number({ min: 0, exclusiveMin: true }),
    name: check.string({ nonEmpty: true }),
    mode: check.oneOf('fast', 'small'),
    size: check.either('auto', check.integer()),
    list: check.arrayOf(check.boolean),
    onDone: check.callback<() => void>(),
    signal: check.abortSignal,
    extra: check.record,
    inner: check.optionsObject({ deep: check.boolean }),
  });

  it('lets right values through and leaves undefined ones out', () => {
    const onDone = () => undefined;
    const { signal } = new AbortController();
    const good = {
      count: 9,
      share: 0.5,
      mode: 'small',
      size: 'auto',
      list: [true],
      onDone,
      signal,
    };
    expect(options({ ...good, name: undefined, extra: {}, inner: { deep: false } }, '')).toEqual({
      ...good,
      extra: {},
      inner: { deep: false },
    });
    expect(options(undefined, '')).toEqual({});
  });

  it.each([
    [{ count: 1.5 }, TypeError, 'count', '"count" must be an integer, but it is the number 1.5'],
    [{ count: 10 }, RangeError, 'count', '"count": must be at least 1 and at most 9, but it is 10'],
    [{ share: 0 }, RangeError, 'share', '"share": must be above 0, but it is 0'],
    [
      { share: NaN },
      TypeError,
      'share',
      '"share" must be a finite number, but it is the number NaN',
    ],
    [{ name: '' }, RangeError, 'name', '"name": must not be empty'],
    [
      { mode: 'big' },
      TypeError,
      'mode',
      `"mode" must be one of 'fast', 'small', but it is the string "big"`,
    ],
    [{ size: null }, TypeError, 'size', '"size" must be an integer, but it is null'],
    [
      { list: [true, 1] },
      TypeError,
      'list[1]',
      '"list[1]" must be true or false, but it is the number 1',
    ],
    [{ onDone: {} }, TypeError, 'onDone', '"onDone" must be a function, but it is an object'],
    [{ signal: {} }, TypeError, 'signal', '"signal" must be an AbortSignal, but it is an object'],
    [{ extra: [] }, TypeError, 'extra', '"extra" must be an object, but it is an array'],
    [
      { inner: { dep: 1 } },
      RangeError,
      'inner.dep',
      '"inner.dep": is not an option here; the options are deep',
    ],
    [{ toString: 1 }, RangeError, 'toString', /^"toString": is not an option here/u],
    [5, TypeError, 'options', '"options" must be an object, but it is the number 5'],
  ])('refuses %j by name', (value, type, key, message) => {
    let thrown: unknown;
    try {
      options(value, '');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(type);
    expect(thrown).toMatchObject({ code: 'INVALID_ARGUMENT', key });
    expect((thrown as Error).message).toMatch(message);
  });
});
