import type { CallFormat } from '../../../src/chat/tools/call-format.js';
import type { ToolCall, ToolCallProblem } from '../../../src/chat/tools/tool-call.js';
import { type CallPiece, ToolCallSplitter } from '../../../src/chat/tools/tool-call-splitter.js';
import type { ToolDefinition } from '../../../src/chat/tools/tool-definition.js';

/** Three tools: one with a required text, one with many types, one without arguments. */
export const tools: readonly ToolDefinition[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Tells the weather of a city.',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, days: { type: 'integer' } },
        required: ['city'],
      },
    },
  },
  {
    type: 'function',
    function: {
      name: 'plan',
      description: 'Makes a plan.',
      parameters: {
        type: 'object',
        properties: {
          steps: { type: 'array' },
          options: { type: 'object' },
          code: { type: 'string' },
          share: { type: ['number', 'null'] },
          quick: { type: 'boolean' },
        },
      },
    },
  },
  { type: 'function', function: { name: 'get_time' } },
];

/** What an answer came to. */
export interface Split {
  readonly text: string;
  readonly calls: readonly Pick<ToolCall, 'name' | 'arguments'>[];
  readonly ids: readonly string[];
  readonly problems: readonly ToolCallProblem[];
  /** All that was written, joined. */
  readonly raw: string;
  /** Arguments as they were streamed, by id. */
  readonly streamed: Readonly<Record<string, string>>;
}

/** Feeds an answer in pieces. */
export function split(
  format: CallFormat,
  pieces: readonly string[],
  options: {
    readonly promptText?: string;
    readonly usedIds?: readonly string[];
    readonly tools?: readonly ToolDefinition[];
  } = {},
): Split {
  const splitter = new ToolCallSplitter({ format, tools, usedIds: [], ...options });
  return collect([...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]);
}

function collect(pieces: readonly CallPiece[]): Split {
  const calls = pieces.flatMap((piece) => (piece.kind === 'call' ? [piece.call] : []));
  const streamed = new Map<string, string>();
  for (const piece of pieces) {
    if (piece.kind === 'call-start') streamed.set(piece.id, '');
    if (piece.kind === 'call-delta') {
      streamed.set(piece.id, `${streamed.get(piece.id) ?? ''}${piece.text}`);
    }
    if (piece.kind === 'call-problem' && piece.id !== undefined) streamed.delete(piece.id);
  }
  return {
    text: pieces.map((piece) => (piece.kind === 'text' ? piece.text : '')).join(''),
    calls: calls.map(({ name, arguments: given }) => ({ name, arguments: given })),
    ids: calls.map(({ id }) => id),
    problems: pieces.flatMap((piece) => (piece.kind === 'call-problem' ? [piece.problem] : [])),
    raw: pieces.map(({ raw }) => raw).join(''),
    streamed: Object.fromEntries(streamed),
  };
}

/** Cuts a text at random places. */
export function cut(whole: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  let from = 0;
  for (const size of sizes) {
    if (from >= whole.length) break;
    pieces.push(whole.slice(from, from + size));
    from += size;
  }
  pieces.push(whole.slice(from));
  return pieces;
}
