import type { CallFormat } from './call-format.js';
import { readToolCall } from './hermes-format.js';
import { fence } from './read-fence.js';
import { readJsonCalls } from './read-json-calls.js';
import { jsonCall } from './write-calls.js';

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
  form: { open: '', call: jsonCall('arguments'), separator: '\n', close: '' },
};
