import {
  choice,
  empty,
  type Expression,
  never,
  optional,
  repeat,
  rule,
  sequence,
  text,
} from './expression.js';
import { bracketed, comma, listOf } from './json-grammar.js';
import { regexExpression } from './regex-expression.js';
import {
  type Alternative,
  type Conjunction,
  isPlainObject,
  type Located,
} from './schema-alternatives.js';
import type { SchemaCompiler } from './schema-compiler.js';
import { malformedSchema, unsupportedSchema, within } from './schema-errors.js';
import { countsOf, found } from './schema-values.js';
import { stringExcept, stringOf } from './string-grammar.js';

/** Longest name of a property beside which there may be others: each character is a level of groups. */
const maxNameBesideOthers = 64;

/** One property that an object declares. */
interface Member {
  readonly name: string;
  readonly required: boolean;
  readonly expression: Expression;
}

/** Objects that satisfy the keywords of an alternative. */
export function objectSchema(
  compiler: SchemaCompiler,
  parts: Alternative,
  path: string,
): Expression {
  for (const { value, path: at } of found(parts, 'unevaluatedProperties')) {
    if (value !== false)
      throw unsupportedSchema('unevaluatedProperties', at, 'is supported as false alone');
  }
  const required = requiredNames(compiler, parts);
  compiler.work.spend(parts.length * (required.size + 1), path);
  const names = [...new Set([...declaredNames(parts), ...required])];
  const members: Member[] = [];
  for (const name of names) {
    compiler.work.spend(8 * parts.length + name.length, path);
    const conjunction = parts.flatMap((part) => schemasOfProperty(part, name));
    const mandatory = required.has(name);
    if (conjunction.some(({ schema }) => schema === false)) {
      if (mandatory) return never;
      continue;
    }
    const value = compiler.compile(conjunction.length === 0 ? [anything(path)] : conjunction);
    const expression = sequence(text(JSON.stringify(name)), rule('colon'), value);
    members.push({ name, required: mandatory, expression });
  }
  const others = compiler.share(otherMembers(compiler, parts, names, path), path, 'other');
  const { min, max } = countsOf(parts, 'minProperties', 'maxProperties');
  if (members.length === 0) {
    if (min > 1) {
      throw unsupportedSchema(
        'minProperties',
        path,
        'above 1 is not supported, since a key may come twice; name the properties and require them',
      );
    }
    return listOf('{', [], others, min, others.kind === 'never' ? 0 : max, '}');
  }
  const least = members.filter((member) => member.required).length;
  if (min > least)
    throw unsupportedSchema(
      'minProperties',
      path,
      'asks for more than "required" names; require them by name',
    );
  if (max < members.length || (max < Infinity && others.kind !== 'never')) {
    throw unsupportedSchema(
      'maxProperties',
      path,
      'is less than there are properties; leave some out',
    );
  }
  const more = repeat(sequence(comma, others), 0, Infinity);
  return bracketed('{', membersOf(compiler, members, others, more, path), '}', least === 0);
}

/**
 * Properties in the order in which they are declared, at least one; optional ones may be missing. Each
 * but the first has a comma before it, so the first that is there is told apart.
 */
function membersOf(
  compiler: SchemaCompiler,
  members: readonly Member[],
  others: Expression,
  more: Expression,
  path: string,
): Expression {
  const firstRequired = members.findIndex((member) => member.required);
  const starts = firstRequired < 0 ? members.length : firstRequired + 1;
  // From behind: what follows a member, with the commas.
  let following = others.kind === 'never' ? empty : more;
  // What must follow in any case is collected, and put together once.
  let certain: Expression[] = [];
  const branches: Expression[] = [];
  if (firstRequired < 0 && others.kind !== 'never') branches.push(sequence(others, more));
  for (let at = members.length - 1; at >= 0; at -= 1) {
    const { required, expression } = members[at] as Member;
    const here = sequence(comma, expression);
    if (at >= starts) {
      certain.push(required ? here : optional(here));
      continue;
    }
    following = sequence(...certain.toReversed(), following);
    certain = [];
    branches.push(sequence(expression, following));
    if (at === 0) break;
    // Several beginnings lead here: it stands once.
    following = compiler.share(
      sequence(required ? here : optional(here), following),
      path,
      'after',
    );
  }
  return choice(...branches.toReversed());
}

/** Members beyond those that are declared; `never` where there may be none. */
function otherMembers(
  compiler: SchemaCompiler,
  parts: Alternative,
  names: readonly string[],
  path: string,
): Expression {
  const patterns = parts.filter(({ schema }) => schema['patternProperties'] !== undefined);
  if (patterns.length > 0) return patternMembers(compiler, parts, names);
  const stated = parts.flatMap((part) => additional(part) ?? []);
  // Where properties are declared and nothing is said of others, there are no others.
  if (stated.length === 0 && names.length > 0) return never;
  if (stated.some(({ schema }) => schema === false)) return never;
  const value = compiler.compile(stated.length === 0 ? [anything(path)] : stated);
  return sequence(keyOf(compiler, parts, names, path), rule('colon'), value);
}

function keyOf(
  compiler: SchemaCompiler,
  parts: Alternative,
  names: readonly string[],
  path: string,
): Expression {
  const rules = found(parts, 'propertyNames').map(({ value, path: at }) => ({
    schema: value,
    path: within(at, 'propertyNames'),
  }));
  const strings: Located = { schema: { type: 'string' }, path: `${path}/(name)` };
  if (names.length === 0)
    return rules.length === 0 ? rule('string') : compiler.compile([...rules, strings]);
  for (const { schema, path: at } of rules) {
    const says =
      isPlainObject(schema) && Object.keys(schema).join() === 'type' && schema['type'] === 'string';
    if (schema !== true && !says) {
      throw unsupportedSchema('propertyNames', at, 'stands beside "properties"; leave it out');
    }
  }
  const long = names.find((name) => name.length > maxNameBesideOthers);
  if (long !== undefined) {
    throw unsupportedSchema(
      'additionalProperties',
      path,
      `stands beside a property whose name is longer than ${maxNameBesideOthers} characters; set it to false`,
    );
  }
  // Each is a choice among all characters that may stand there.
  compiler.work.spend(32 * beginningsOf(names), path, 'additionalProperties');
  return stringExcept(names);
}

/** How many different beginnings some names have, the names themselves included. */
function beginningsOf(names: readonly string[]): number {
  let count = 0;
  let before = '';
  for (const name of [...names].sort()) {
    let same = 0;
    while (same < name.length && name[same] === before[same]) same++;
    count += name.length - same;
    before = name;
  }
  return count;
}

/** `patternProperties` is followed where all keys match one pattern. */
function patternMembers(
  compiler: SchemaCompiler,
  parts: Alternative,
  names: readonly string[],
): Expression {
  const [part] = parts;
  const path = part?.path ?? '#';
  const entries = Object.entries(objectAt(part as Alternative[number], 'patternProperties'));
  const [entry] = entries;
  const open = parts.some(
    (each) => additional(each) !== undefined && additional(each)?.schema !== false,
  );
  if (
    parts.length > 1 ||
    names.length > 0 ||
    entry === undefined ||
    entries.length > 1 ||
    open ||
    found(parts, 'propertyNames').length > 0
  ) {
    throw unsupportedSchema(
      'patternProperties',
      path,
      'is supported with one pattern alone, without other properties',
    );
  }
  const [pattern, schema] = entry;
  const fail = (sentence: string, offset: number): never => {
    throw unsupportedSchema(
      'patternProperties',
      path,
      `has a pattern that ${sentence} (at offset ${offset})`,
    );
  };
  const key = stringOf(
    regexExpression(pattern, 'u', 'search', fail, (work, once) =>
      compiler.work.spend(work, path, 'patternProperties', once),
    ),
  );
  const value = compiler.compile([{ schema, path: within(path, 'patternProperties', pattern) }]);
  return sequence(key, rule('colon'), value);
}

/** What one part says of a property: its own schema, or what holds for those that it does not declare. */
function schemasOfProperty(part: Alternative[number], name: string): Conjunction {
  const properties = objectAt(part, 'properties');
  if (Object.hasOwn(properties, name)) {
    return [{ schema: properties[name], path: within(part.path, 'properties', name) }];
  }
  const other = additional(part);
  return other === undefined ? [] : [other];
}

function additional({ schema, path }: Alternative[number]): Located | undefined {
  const value = schema['additionalProperties'];
  return value === undefined
    ? undefined
    : { schema: value, path: within(path, 'additionalProperties') };
}

function declaredNames(parts: Alternative): readonly string[] {
  return parts.flatMap((part) => Object.keys(objectAt(part, 'properties')));
}

function objectAt(
  { schema, path }: Alternative[number],
  keyword: string,
): Readonly<Record<string, unknown>> {
  const value = schema[keyword] ?? {};
  if (isPlainObject(value)) return value;
  throw malformedSchema(within(path, keyword), 'an object of schemas', value);
}

function requiredNames(compiler: SchemaCompiler, parts: Alternative): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { value, path } of found(parts, 'required')) {
    if (Array.isArray(value)) compiler.work.spend(4 * value.length, path, 'required');
    if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) {
      throw malformedSchema(within(path, 'required'), 'an array of names', value);
    }
    value.forEach((name) => names.add(name));
  }
  return names;
}

function anything(path: string): Located {
  return { schema: true, path: `${path}/(any)` };
}
