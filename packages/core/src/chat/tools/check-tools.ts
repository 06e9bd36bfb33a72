import type { Check } from '../../errors/check-options.js';
import * as check from '../../errors/check-options.js';
import { wrongType, wrongValue } from '../../errors/invalid-argument.js';
import { checkText } from '../../tokenizer/check-text.js';
import type { ToolCall } from './tool-call.js';
import type { ToolDefinition } from './tool-definition.js';

/** Levels of lists and objects in schemas and arguments. */
export const maxJsonDepth = 64;
/** Tools of one request, and calls of one message. */
const maxTools = 512;

/** A value that JSON can hold, of a bounded depth; gives a copy without `undefined`. */
function plainJson(value: unknown, key: string, depth: number): unknown {
  if (depth > maxJsonDepth) {
    throw wrongValue(key, `is nested deeper than ${maxJsonDepth} levels, or holds itself`);
  }
  if (typeof value === 'string') return checkText(value, key);
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) {
    return value.map((item, index) => plainJson(item, `${key}[${index}]`, depth + 1));
  }
  if (typeof value !== 'object') throw wrongType(key, 'a value that JSON can hold', value);
  // fromEntries defines a key named __proto__ like any other.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [checkText(name, key), plainJson(item, `${key}.${name}`, depth + 1)]),
  );
}

const jsonObject: Check<Readonly<Record<string, unknown>>> = (value, key) =>
  plainJson(check.record(value, key), key, 0) as Readonly<Record<string, unknown>>;

const toolName: Check<string> = (value, key) => {
  const name = check.string({ nonEmpty: true })(value, key);
  if (!/^[\w.:/-]{1,128}$/u.test(name)) {
    throw wrongValue(key, 'must be 1 to 128 letters, digits or characters of "_.:/-"');
  }
  return name;
};

const functionFields = check.optionsObject({
  name: toolName,
  description: checkText,
  parameters: jsonObject,
});

const toolFields = check.optionsObject({
  type: check.oneOf('function'),
  function: functionFields,
});

const checkTool: Check<ToolDefinition> = (value, key) => {
  if (value === undefined) throw wrongType(key, 'a tool', value);
  const { type, function: described } = toolFields(value, key);
  if (type === undefined) throw wrongType(`${key}.type`, `'function'`, type);
  if (described?.name === undefined) throw wrongType(`${key}.function.name`, 'a string', undefined);
  const { name, description, parameters } = described;
  return {
    type,
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(parameters === undefined ? {} : { parameters }),
    },
  };
};

/** Tools of one request: names differ. */
export const checkTools: Check<readonly ToolDefinition[]> = (value, key) => {
  const tools = check.arrayOf(checkTool)(value, key);
  if (tools.length > maxTools) throw wrongValue(key, `holds more than ${maxTools} tools`);
  const names = new Set<string>();
  for (const [index, { function: described }] of tools.entries()) {
    if (names.has(described.name)) {
      throw wrongValue(`${key}[${index}].function.name`, `is the name of another tool, too`);
    }
    names.add(described.name);
  }
  return tools;
};

const callFields = check.optionsObject({
  id: check.string({ nonEmpty: true }),
  name: toolName,
  arguments: jsonObject,
});

const checkToolCall: Check<ToolCall> = (value, key) => {
  if (value === undefined) throw wrongType(key, 'a tool call', value);
  const { id, name, arguments: given } = callFields(value, key);
  if (id === undefined) throw wrongType(`${key}.id`, 'a string', id);
  if (name === undefined) throw wrongType(`${key}.name`, 'a string', name);
  if (given === undefined) throw wrongType(`${key}.arguments`, 'an object', given);
  return { id, name, arguments: given };
};

/** The calls of one message: at least one. */
export const checkToolCalls: Check<readonly ToolCall[]> = (value, key) => {
  const calls = check.arrayOf(checkToolCall)(value, key);
  if (calls.length === 0) throw wrongValue(key, 'must hold at least one call, or be left out');
  if (calls.length > maxTools) throw wrongValue(key, `holds more than ${maxTools} calls`);
  return calls;
};
