import type { ToolDefinition } from './tool-definition.js';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Checks arguments against what `parameters` says of `required` and of the `type` of `properties`; what
 * lies deeper is for the tool to check.
 *
 * @returns what is wrong, if anything is.
 */
export function wrongArguments(tool: ToolDefinition, given: JsonObject): string | undefined {
  const { required, properties } = tool.function.parameters ?? {};
  const missing = (Array.isArray(required) ? required : []).filter(
    (name): name is string => typeof name === 'string' && !Object.hasOwn(given, name),
  );
  if (missing.length > 0) {
    return `the required ${list(missing)} ${missing.length === 1 ? 'is' : 'are'} missing`;
  }
  for (const [name, value] of Object.entries(given)) {
    const types = typesOf(properties, name);
    if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
      return `"${name}" must be of type ${types.join(' or ')}, but it is ${typeOf(value)}`;
    }
  }
  return undefined;
}

/** The types that a schema gives a property; none where it says nothing of it. */
export function typesOf(properties: unknown, name: string): readonly string[] {
  if (typeof properties !== 'object' || properties === null) return [];
  const schema: unknown = Object.hasOwn(properties, name)
    ? (properties as JsonObject)[name]
    : undefined;
  const type = typeof schema === 'object' && schema !== null ? (schema as JsonObject)['type'] : [];
  return [type].flat().filter((item): item is string => typeof item === 'string');
}

function isOfType(value: unknown, type: string): boolean {
  // Some write the types of OpenAPI, in capitals; one that nobody knows refuses nothing.
  const known = type.toLowerCase();
  if (known === 'integer') return Number.isInteger(value);
  return !jsonTypes.has(known) || typeOf(value) === known;
}

const jsonTypes = new Set(['object', 'array', 'string', 'number', 'boolean', 'null']);

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}
