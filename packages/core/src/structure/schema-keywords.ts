/** The types of JSON, as schemas name them. */
export const jsonTypes = [
  'object',
  'array',
  'string',
  'number',
  'integer',
  'boolean',
  'null',
] as const;

/** A type of JSON. */
export type JsonType = (typeof jsonTypes)[number];

/** Keywords that say something about one type alone; beside others they mean nothing. */
export const keywordsOfType: Readonly<Partial<Record<JsonType, readonly string[]>>> = {
  object: [
    'properties',
    'required',
    'additionalProperties',
    'patternProperties',
    'propertyNames',
    'minProperties',
    'maxProperties',
    'unevaluatedProperties',
  ],
  array: [
    'items',
    'prefixItems',
    'additionalItems',
    'minItems',
    'maxItems',
    'uniqueItems',
    'unevaluatedItems',
  ],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
};

/** Keywords that put schemas together. */
export const applicators: readonly string[] = [
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'nullable',
];

/** Keywords that say something for people and tools, and nothing of what is valid. */
const annotations: readonly string[] = [
  '$comment',
  '$defs',
  '$id',
  '$schema',
  '$vocabulary',
  '~standard',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
  'default',
  'definitions',
  'deprecated',
  'description',
  'discriminator',
  'example',
  'examples',
  'externalDocs',
  'id',
  'readOnly',
  'title',
  'writeOnly',
  'xml',
];

/** Keywords that say what is valid. */
const assertions: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'const',
  ...Object.values(keywordsOfType).flat(),
]);

const known: ReadonlySet<string> = new Set([...annotations, ...assertions, ...applicators]);

/** Whether a keyword is one that is followed, or rightly passed over; extensions begin with `x-`. */
export function isKnownKeyword(keyword: string): boolean {
  return known.has(keyword) || keyword.startsWith('x-');
}

/** Whether a keyword says what is valid by itself, without another schema. */
export function isAssertion(keyword: string): boolean {
  return assertions.has(keyword);
}
