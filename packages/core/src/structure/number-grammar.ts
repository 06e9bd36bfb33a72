import { compareDecimals, type Decimal, decimalOf } from './decimal.js';
import {
  choice,
  empty,
  type Expression,
  never,
  optional,
  range,
  repeat,
  sequence,
  text,
} from './expression.js';

/** A bound of a number. */
export interface NumberBound {
  readonly value: number;
  /** Whether the bound itself is outside. */
  readonly exclusive: boolean;
}

/** Bounds of a number; `undefined` where there is none. */
export interface NumberBounds {
  readonly min: NumberBound | undefined;
  readonly max: NumberBound | undefined;
}

/** Digits that every number of JavaScript holds exactly. */
export const exactDigits = 15;

const digit = range('0', '9');
const zero: Decimal = { whole: '0', fraction: '' };

/** An end of a range of sizes. */
interface End {
  readonly size: Decimal;
  readonly exclusive: boolean;
}

/**
 * Numbers within bounds, without an exponent and with so many digits behind the point at most. Exact:
 * a text is matched where its number is within the bounds, and nowhere else.
 */
export function numberBetween({ min, max }: NumberBounds, fractionDigits: number): Expression {
  const low = min ?? { value: -Infinity, exclusive: false };
  const high = max ?? { value: Infinity, exclusive: false };
  if (low.value > high.value) return never;
  const positive = between(
    low.value >= 0 ? endOf(low) : { size: zero, exclusive: false },
    high.value < 0 ? undefined : endOf(high),
    fractionDigits,
  );
  // Sizes of negative numbers grow the other way. There is one zero, without a sign.
  const negative = between(
    high.value < 0 ? endOf(high) : { size: zero, exclusive: true },
    low.value >= 0 ? undefined : endOf(low),
    fractionDigits,
  );
  return choice(
    high.value < 0 ? never : positive,
    low.value >= 0 ? never : sequence(text('-'), negative),
  );
}

function endOf({ value, exclusive }: NumberBound): End | undefined {
  return Number.isFinite(value) ? { size: decimalOf(value), exclusive } : undefined;
}

/** Sizes from one end to the other, which may be missing. */
function between(low: End | undefined, high: End | undefined, digits: number): Expression {
  if (low === undefined) return never;
  const from = low.size;
  const above = fractionAbove(from.fraction, low.exclusive, digits);
  const any = anyFraction(digits);
  // With its every fraction inside, the first or last whole number is one like those between.
  const withLow = from.fraction === '' && !low.exclusive;
  const first = withLow ? never : sequence(text(from.whole), above);
  if (high === undefined) return choice(first, sequence(wholeAbove(from.whole, withLow), any));
  const to = high.size;
  const order = compareDecimals(from, to);
  if (order > 0 || (order === 0 && (low.exclusive || high.exclusive))) return never;
  if (from.whole === to.whole) {
    return sequence(text(from.whole), fractionBetween(low, high, digits));
  }
  const withHigh = digits < 1 && (to.fraction !== '' || !high.exclusive);
  const last = sequence(text(to.whole), fractionBelow(to.fraction, high.exclusive, digits));
  return choice(
    first,
    sequence(wholeBetween(from.whole, to.whole, withLow, withHigh), any),
    withHigh ? never : last,
  );
}

function anyFraction(digits: number): Expression {
  return digits <= 0 ? empty : optional(sequence(text('.'), repeat(digit, 1, digits)));
}

/** Whole numbers above one, up to all that are exact. */
function wholeAbove(whole: string, withLow: boolean): Expression {
  const longer =
    exactDigits > whole.length
      ? sequence(range('1', '9'), repeat(digit, whole.length, exactDigits - 1))
      : never;
  return choice(sameLength(whole, '9'.repeat(whole.length), withLow, true), longer);
}

/** Whole numbers between two; each end in or out. */
function wholeBetween(low: string, high: string, withLow: boolean, withHigh: boolean): Expression {
  if (low.length === high.length) return sameLength(low, high, withLow, withHigh);
  const lengths =
    high.length - low.length > 1
      ? sequence(range('1', '9'), repeat(digit, low.length, high.length - 2))
      : never;
  return choice(
    sameLength(low, '9'.repeat(low.length), withLow, true),
    lengths,
    sameLength(`1${'0'.repeat(high.length - 1)}`, high, true, withHigh),
  );
}

/** Strings of digits as long as two others and between them; each end in or out. */
function sameLength(low: string, high: string, withLow: boolean, withHigh: boolean): Expression {
  const [first = '', last = ''] = [low[0], high[0]];
  if (first === '') return withLow && withHigh ? empty : never;
  const rest = low.length - 1;
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (first === last) {
    return sequence(text(first), sameLength(lowRest, highRest, withLow, withHigh));
  }
  // An end behind which everything is inside needs no branch of its own.
  const lowFree = withLow && /^0*$/.test(lowRest);
  const highFree = withHigh && /^9*$/.test(highRest);
  return choice(
    lowFree ? never : sequence(text(first), sameLength(lowRest, '9'.repeat(rest), withLow, true)),
    sequence(
      digitsBetween(Number(first) + (lowFree ? 0 : 1), Number(last) - (highFree ? 0 : 1)),
      repeat(digit, rest, rest),
    ),
    highFree ? never : sequence(text(last), sameLength('0'.repeat(rest), highRest, true, withHigh)),
  );
}

function digitsBetween(first: number, last: number): Expression {
  return first > last ? never : range(String(first), String(last));
}

/** What follows a whole number so that the fraction is at least, or above, another. */
function fractionAbove(fraction: string, exclusive: boolean, digits: number): Expression {
  if (fraction === '' && !exclusive) return anyFraction(digits);
  return digits < 1 ? never : sequence(text('.'), digitsAbove(fraction, exclusive, digits));
}

function digitsAbove(fraction: string, exclusive: boolean, left: number): Expression {
  const first = fraction[0];
  if (first === undefined) {
    if (!exclusive) return repeat(digit, 0, left);
    // Something behind the zeros.
    return left < 1
      ? never
      : choice(
          sequence(range('1', '9'), repeat(digit, 0, left - 1)),
          sequence(text('0'), digitsAbove('', true, left - 1)),
        );
  }
  if (left < 1) return never;
  return choice(
    sequence(digitsBetween(Number(first) + 1, 9), repeat(digit, 0, left - 1)),
    sequence(text(first), digitsAbove(fraction.slice(1), exclusive, left - 1)),
  );
}

/** What follows a whole number so that the fraction is at most, or below, another. */
function fractionBelow(fraction: string, exclusive: boolean, digits: number): Expression {
  if (fraction === '' && exclusive) return never;
  return digits < 1
    ? empty
    : optional(sequence(text('.'), digitsBelow(fraction, exclusive, digits, true)));
}

function digitsBelow(
  fraction: string,
  exclusive: boolean,
  left: number,
  needsDigit: boolean,
): Expression {
  const first = fraction[0];
  if (first === undefined) {
    return exclusive ? never : repeat(text('0'), needsDigit ? 1 : 0, left);
  }
  // What ends before the bound does is below it: a bound has no trailing zeros.
  const end = needsDigit ? never : empty;
  if (left < 1) return end;
  return choice(
    end,
    sequence(digitsBetween(0, Number(first) - 1), repeat(digit, 0, left - 1)),
    sequence(text(first), digitsBelow(fraction.slice(1), exclusive, left - 1, false)),
  );
}

/** What follows a whole number so that the fraction is between two others. */
function fractionBetween(low: End, high: End, digits: number): Expression {
  const atZero = low.size.fraction === '' && !low.exclusive;
  if (high.size.fraction === '') {
    // Both are the whole number itself.
    return fractionBelow('', high.exclusive, digits);
  }
  const inner =
    digits < 1
      ? never
      : sequence(
          text('.'),
          digitsBetweenEnds(low, high, low.size.fraction, high.size.fraction, digits, true),
        );
  return atZero ? choice(empty, inner) : inner;
}

function digitsBetweenEnds(
  low: End,
  high: End,
  lowRest: string,
  highRest: string,
  left: number,
  needsDigit: boolean,
): Expression {
  if (highRest === '')
    return high.exclusive || lowRest !== '' || low.exclusive
      ? never
      : repeat(text('0'), needsDigit ? 1 : 0, left);
  // The lower one has come to its end, so the text may end here, unless it is that very bound.
  const end = lowRest === '' && !low.exclusive && !needsDigit ? empty : never;
  if (left < 1) return end;
  const [first, last] = [Number(lowRest[0] ?? '0'), Number(highRest[0])];
  const [lowNext, highNext] = [lowRest.slice(1), highRest.slice(1)];
  if (first === last) {
    return choice(
      end,
      sequence(
        text(String(first)),
        digitsBetweenEnds(low, high, lowNext, highNext, left - 1, false),
      ),
    );
  }
  return choice(
    end,
    sequence(text(String(first)), digitsAbove(lowNext, low.exclusive, left - 1)),
    sequence(digitsBetween(first + 1, last - 1), repeat(digit, 0, left - 1)),
    sequence(text(String(last)), digitsBelow(highNext, high.exclusive, left - 1, false)),
  );
}
