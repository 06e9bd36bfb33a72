import { type InvalidArgument, wrongType } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';

/** The error for a schema that is sound, but says what no grammar can, or what is not followed. */
export function unsupportedSchema(keyword: string, path: string, sentence: string): MobillmError {
  return new MobillmError(
    'SCHEMA_UNSUPPORTED',
    `"${keyword}" of the schema at ${path} ${sentence}.`,
    {
      details: { keyword, path },
    },
  );
}

/** The error for what is no schema: a keyword with a value that it cannot have. */
export function malformedSchema(path: string, expected: string, actual: unknown): InvalidArgument {
  return wrongType(path === '#' ? 'schema' : `schema${path}`, expected, actual);
}

/** The path of something within a schema, as a JSON pointer. */
export function within(path: string, ...names: readonly (string | number)[]): string {
  const escape = (name: string | number) =>
    String(name).replaceAll('~', '~0').replaceAll('/', '~1');
  return [path, ...names.map(escape)].join('/');
}
