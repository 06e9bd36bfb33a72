import type { CallFormat } from './call-format.js';
import { readToolCall } from './hermes-format.js';
import { fence } from './read-fence.js';
import { readJsonCalls } from './read-json-calls.js';

/**
 * Models of no known family: JSON that begins a line, or stands in a fenced block or between
 * `<tool_call>` marks.
 */
export const genericFormat: CallFormat = {
  name: 'generic',
  marks: ['<tool_call>', '</tool_call>'],
  openings: [
    { mark: '<tool_call>', where: 'anywhere', read: readToolCall },
    fence,
    ...['{', '['].map((mark) => ({
      mark,
      where: 'line' as const,
      keepsMark: true,
      read: (context: Parameters<typeof readToolCall>[0]) => readJsonCalls(context, { bare: true }),
    })),
  ],
  write: (calls) =>
    calls
      .map(({ name, json }) => `{"name": ${JSON.stringify(name)}, "arguments": ${json}}`)
      .join('\n'),
};
