import { decimalOf } from './decimal.js';
import { type Expression, rule } from './expression.js';
import { exactDigits, numberBetween, type NumberBound } from './number-grammar.js';
import type { RegexWork } from './parse-regex.js';
import { ofLength, regexExpression } from './regex-expression.js';
import type { Alternative } from './schema-alternatives.js';
import { malformedSchema, unsupportedSchema, within } from './schema-errors.js';
import type { SchemaWork } from './schema-work.js';
import { countsOf, found, foundNumbers, foundStrings } from './schema-values.js';
import { stringFormats } from './string-formats.js';
import { stringOf, stringOfLength } from './string-grammar.js';

/** Whole numbers that are as good as no bound: what is beyond has too many digits. */
const widest = 10 ** exactDigits - 1;
/** What a digit of a bound takes. */
const digitWork = 40;
const numberFormats = ['int32', 'int64', 'float', 'double'];

/** Strings that satisfy the keywords of an alternative. */
export function stringSchema(parts: Alternative, work: SchemaWork): Expression {
  const { min, max } = countsOf(parts, 'minLength', 'maxLength');
  const regexes = new Map<
    string,
    { readonly keyword: string; readonly path: string; make(): Expression }
  >();
  for (const { value, path } of foundStrings(parts, 'pattern')) {
    const fail = (sentence: string, offset: number): never => {
      throw unsupportedSchema('pattern', path, `${sentence} (at offset ${offset})`);
    };
    const spend: RegexWork = (amount, once) => work.spend(amount, path, 'pattern', once);
    const make = () => regexExpression(value, 'u', 'search', fail, spend);
    regexes.set(`pattern ${value}`, { keyword: 'pattern', path, make });
  }
  for (const { value, path } of foundStrings(parts, 'format')) {
    const source = Object.hasOwn(stringFormats, value) ? stringFormats[value] : undefined;
    if (source === undefined) throw unknownFormat(value, path);
    const make = () => formatExpression(value, source);
    regexes.set(`format ${value}`, { keyword: 'format', path, make });
  }
  const [regex, second] = regexes.values();
  if (second !== undefined) {
    throw unsupportedSchema(
      second.keyword,
      second.path,
      'stands beside another "pattern" or "format"; one pattern has to say it all',
    );
  }
  if (regex !== undefined) return limited(regex, min, max);
  return min === 0 && max === Infinity ? rule('string') : stringOfLength(min, max);
}

const formatExpressions = new Map<string, Expression>();

/** What a format matches: one of few, worked out once. */
function formatExpression(format: string, source: string): Expression {
  const known = formatExpressions.get(format);
  if (known !== undefined) return known;
  const fail = (sentence: string): never => {
    throw new Error(`The format "${format}" ${sentence}.`);
  };
  const expression = regexExpression(source, 'u', 'whole', fail, () => undefined);
  formatExpressions.set(format, expression);
  return expression;
}

function limited(
  regex: { readonly keyword: string; readonly path: string; make(): Expression },
  min: number,
  max: number,
): Expression {
  const value = ofLength(regex.make(), min, max);
  if (value !== undefined) return stringOf(value);
  throw unsupportedSchema(
    regex.keyword,
    regex.path,
    'stands beside "minLength" or "maxLength", which cannot be counted across several parts that vary; put the lengths into the pattern, such as "^[a-z]{2,8}$"',
  );
}

function unknownFormat(format: string, path: string): Error {
  const known = Object.keys(stringFormats).join(', ');
  return unsupportedSchema(
    'format',
    path,
    `is "${format.slice(0, 40)}", which is not supported; there are ${known}`,
  );
}

/** Numbers that satisfy the keywords of an alternative. */
export function numberSchema(parts: Alternative, integer: boolean, work: SchemaWork): Expression {
  for (const { value, path } of foundStrings(parts, 'format')) {
    if (!numberFormats.includes(value)) throw unknownFormat(value, path);
  }
  const step = stepOf(parts);
  let min = strictest(bounds(parts, 'minimum', 'exclusiveMinimum'), -1);
  let max = strictest(bounds(parts, 'maximum', 'exclusiveMaximum'), 1);
  if (foundStrings(parts, 'format').some(({ value }) => value === 'int32')) {
    min = strictest(
      [min ?? { value: -Infinity, exclusive: false }, { value: -(2 ** 31), exclusive: false }],
      -1,
    );
    max = strictest(
      [max ?? { value: Infinity, exclusive: false }, { value: 2 ** 31 - 1, exclusive: false }],
      1,
    );
  }
  if (min !== undefined && min.value <= -widest) min = undefined;
  if (max !== undefined && max.value >= widest) max = undefined;
  const whole = integer || step === 0;
  if (min === undefined && max === undefined && (whole || step === undefined)) {
    return rule(whole ? 'integer' : 'number');
  }
  const wholeDigits = [min, max].map((bound) => (bound ? decimalOf(bound.value) : undefined));
  const left =
    exactDigits - Math.max(1, ...wholeDigits.map((decimal) => decimal?.whole.length ?? 0));
  const digits = whole ? 0 : Math.min(left, step ?? left);
  if (
    !whole &&
    wholeDigits.some((decimal) => decimal !== undefined && decimal.fraction.length > left)
  ) {
    throw tooManyDigits(parts);
  }
  if (left < 0) throw tooManyDigits(parts);
  // Each digit of a bound is a case of its own, with all digits behind it.
  const allDigits = wholeDigits.reduce(
    (sum, decimal) => sum + (decimal ? decimal.whole.length + digits : 0),
    0,
  );
  work.spend(digitWork * allDigits, parts[0]?.path ?? '#');
  return numberBetween({ min, max }, digits);
}

function tooManyDigits(parts: Alternative): Error {
  const keyword = ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'].find(
    (name) => found(parts, name).length > 0,
  );
  const path = parts[0]?.path ?? '#';
  return unsupportedSchema(
    keyword ?? 'minimum',
    path,
    `has more than ${exactDigits} digits; round it`,
  );
}

/** The values of both keywords; in older drafts the second one says how the first is meant. */
function bounds(parts: Alternative, inclusive: string, exclusive: string): readonly NumberBound[] {
  return parts.flatMap((part) => {
    const limit = foundNumbers([part], inclusive).map(({ value }) => value);
    const other = part.schema[exclusive];
    if (typeof other === 'boolean') return limit.map((value) => ({ value, exclusive: other }));
    return [
      ...limit.map((value) => ({ value, exclusive: false })),
      ...foundNumbers([part], exclusive).map(({ value }) => ({ value, exclusive: true })),
    ];
  });
}

function strictest(list: readonly NumberBound[], sign: 1 | -1): NumberBound | undefined {
  return list.reduce<NumberBound | undefined>((best, bound) => {
    if (best === undefined) return bound;
    const difference = sign * (bound.value - best.value);
    return difference < 0 || (difference === 0 && bound.exclusive) ? bound : best;
  }, undefined);
}

/** Digits behind the point that `multipleOf` leaves; `undefined` where it says nothing. */
function stepOf(parts: Alternative): number | undefined {
  const steps = foundNumbers(parts, 'multipleOf').map(({ value, path }) => {
    if (value <= 0) throw malformedSchema(within(path, 'multipleOf'), 'a number above 0', value);
    const { whole, fraction } = decimalOf(value);
    if (/^0*1$/.test(whole + fraction) && (whole === '1' || whole === '0')) return fraction.length;
    throw unsupportedSchema(
      'multipleOf',
      path,
      'is supported for 1, 0.1, 0.01 and so on alone; list the values with "enum"',
    );
  });
  return steps.length === 0 ? undefined : Math.min(...steps);
}
