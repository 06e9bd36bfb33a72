/** The keywords that the tests use. */
export interface Keywords {
  readonly $ref?: string;
  readonly allOf?: readonly TestSchema[];
  readonly anyOf?: readonly TestSchema[];
  readonly nullable?: boolean;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly prefixItems?: readonly TestSchema[];
  readonly items?: TestSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, TestSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: TestSchema;
}

/** A schema of the tests. */
export type TestSchema = boolean | Keywords;

/**
 * Judges values by the standard, written from it and nothing else, to judge grammars by. `closed` takes
 * what is listed, where nothing is said of others, as all that there may be.
 */
export function validates(
  root: TestSchema,
  value: unknown,
  mode: 'standard' | 'closed' = 'standard',
): boolean {
  return new Validator(root, mode === 'closed').holds(root, value);
}

class Validator {
  constructor(
    readonly root: TestSchema,
    readonly closed: boolean,
  ) {}

  holds(schema: TestSchema, value: unknown): boolean {
    if (typeof schema === 'boolean') return schema;
    const also = (other: TestSchema) => this.holds(other, value);
    if (schema.nullable === true && value === null) return true;
    if (schema.$ref !== undefined && !also(this.#target(schema.$ref))) return false;
    if (schema.allOf !== undefined && !schema.allOf.every(also)) return false;
    if (schema.anyOf !== undefined && !schema.anyOf.some(also)) return false;
    const types = schema.type === undefined ? undefined : [schema.type].flat();
    if (types !== undefined && !types.some((type) => isOfType(value, type))) return false;
    const same = (other: unknown) => JSON.stringify(other) === JSON.stringify(value);
    if (schema.enum !== undefined && !schema.enum.some(same)) return false;
    if (schema.const !== undefined && !same(schema.const)) return false;
    if (typeof value === 'string') return validString(schema, value);
    if (typeof value === 'number') return validNumber(schema, value);
    if (Array.isArray(value)) return this.#array(schema, value);
    return typeof value !== 'object' || value === null || this.#object(schema, value);
  }

  #target(reference: string): TestSchema {
    let at: unknown = this.root;
    for (const step of reference.split('/').slice(1)) at = (at as Record<string, unknown>)[step];
    return at as TestSchema;
  }

  #array(schema: Keywords, value: readonly unknown[]): boolean {
    const fixed = schema.prefixItems ?? [];
    const rest = schema.items ?? !(this.closed && fixed.length > 0);
    return (
      value.length >= (schema.minItems ?? 0) &&
      value.length <= (schema.maxItems ?? Infinity) &&
      value.every((item, at) => this.holds(fixed[at] ?? rest, item))
    );
  }

  #object(schema: Keywords, value: object): boolean {
    const properties = schema.properties ?? {};
    const others = schema.additionalProperties ?? !(this.closed && schema.properties !== undefined);
    return (
      (schema.required ?? []).every((name) => Object.hasOwn(value, name)) &&
      Object.entries(value).every(([name, item]) =>
        this.holds(Object.hasOwn(properties, name) ? properties[name]! : others, item),
      )
    );
  }
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  }
  return typeof value === type;
}

function validString(schema: Keywords, value: string): boolean {
  const length = Array.from(value).length;
  return (
    length >= (schema.minLength ?? 0) &&
    length <= (schema.maxLength ?? Infinity) &&
    (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value))
  );
}

function validNumber(schema: Keywords, value: number): boolean {
  return (
    value >= (schema.minimum ?? -Infinity) &&
    value <= (schema.maximum ?? Infinity) &&
    value > (schema.exclusiveMinimum ?? -Infinity) &&
    value < (schema.exclusiveMaximum ?? Infinity)
  );
}
