import type { JsonSchema } from '../../src/structure/json-schema-to-grammar.js';

/** A record of a person, as forms have it. */
export const person = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 80 },
    birthDate: { type: 'string', format: 'date' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    email: { type: 'string', format: 'email' },
    married: { type: 'boolean' },
    nickname: { type: ['string', 'null'], maxLength: 20 },
  },
  required: ['name', 'birthDate', 'age', 'email', 'married'],
  additionalProperties: false,
} satisfies JsonSchema;

/** An order, nested, with an enum, arrays and shared definitions. */
export const order = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    id: { type: 'string', pattern: '^ORD-[0-9]{6}$' },
    status: { enum: ['new', 'paid', 'shipped', 'returned'] },
    items: { type: 'array', items: { $ref: '#/$defs/item' }, minItems: 1, maxItems: 8 },
    shipTo: { $ref: '#/$defs/address' },
    billTo: { anyOf: [{ $ref: '#/$defs/address' }, { type: 'null' }] },
    discount: { type: 'number', minimum: 0, exclusiveMaximum: 1, multipleOf: 0.01 },
  },
  required: ['id', 'status', 'items', 'shipTo', 'billTo'],
  additionalProperties: false,
  $defs: {
    item: {
      type: 'object',
      properties: {
        sku: { type: 'string', pattern: '^[A-Z]{3}[0-9]{4}$' },
        quantity: { type: 'integer', minimum: 1, maximum: 99 },
        price: { type: 'number', exclusiveMinimum: 0 },
      },
      required: ['sku', 'quantity', 'price'],
      additionalProperties: false,
    },
    address: {
      type: 'object',
      properties: {
        street: { type: 'string' },
        city: { type: 'string' },
        zip: { type: 'string', pattern: '^[0-9]{5}$' },
        country: { type: 'string', enum: ['DE', 'FR', 'US'] },
      },
      required: ['street', 'city', 'country'],
      additionalProperties: false,
    },
  },
} satisfies JsonSchema;

/** One call of one of three tools. */
export const toolCall = {
  anyOf: [
    {
      type: 'object',
      properties: {
        tool: { const: 'get_weather' },
        arguments: {
          type: 'object',
          properties: {
            city: { type: 'string' },
            unit: { enum: ['celsius', 'fahrenheit'], default: 'celsius' },
          },
          required: ['city'],
          additionalProperties: false,
        },
      },
      required: ['tool', 'arguments'],
      additionalProperties: false,
    },
    {
      type: 'object',
      properties: {
        tool: { const: 'search' },
        arguments: {
          type: 'object',
          properties: {
            query: { type: 'string', minLength: 1 },
            limit: { type: 'integer', minimum: 1, maximum: 50 },
            filters: { type: 'object', additionalProperties: { type: 'string' } },
          },
          required: ['query'],
          additionalProperties: false,
        },
      },
      required: ['tool', 'arguments'],
      additionalProperties: false,
    },
    {
      type: 'object',
      properties: { tool: { const: 'none' }, answer: { type: 'string' } },
      required: ['tool', 'answer'],
      additionalProperties: false,
    },
  ],
} satisfies JsonSchema;
