import type { Check } from '../errors/check-options.js';
import * as check from '../errors/check-options.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import { checkText } from '../tokenizer/check-text.js';
import { checkToolCalls } from './tools/check-tools.js';
import type { Message } from './message.js';

const fields = check.optionsObject({
  role: check.oneOf('system', 'user', 'assistant', 'tool'),
  content: checkText,
  name: check.string({ nonEmpty: true }),
  toolCalls: checkToolCalls,
  toolCallId: check.string({ nonEmpty: true }),
});

/** One message: a known role, a text that is valid Unicode, a name, and calls where they belong. */
export const checkMessage: Check<Message> = (value, key) => {
  if (value === undefined) throw wrongType(key, 'a message', value);
  const { role, content, name, toolCalls, toolCallId } = fields(value, key);
  if (role === undefined) throw wrongType(`${key}.role`, 'a role', role);
  if (content === undefined) throw wrongType(`${key}.content`, 'a string', content);
  if (toolCalls !== undefined && role !== 'assistant') {
    throw wrongValue(
      `${key}.toolCalls`,
      `belongs to an assistant message, not to one of "${role}"`,
    );
  }
  if (toolCallId !== undefined && role !== 'tool') {
    throw wrongValue(`${key}.toolCallId`, `belongs to a tool message, not to one of "${role}"`);
  }
  return {
    role,
    content,
    ...(name === undefined ? {} : { name }),
    ...(toolCalls === undefined ? {} : { toolCalls }),
    ...(toolCallId === undefined ? {} : { toolCallId }),
  };
};

/** A conversation: at least one message. */
export const checkMessages: Check<readonly Message[]> = (value, key) => {
  const messages = check.arrayOf(checkMessage)(value, key);
  if (messages.length === 0) throw wrongValue(key, 'must hold at least one message');
  return messages;
};
