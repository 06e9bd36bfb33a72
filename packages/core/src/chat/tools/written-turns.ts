import type { Message } from '../message.js';

/** What a model wrote for a message with calls, which a template would write in its own way. */
export interface WrittenTurn {
  /** All of it, marks and reasoning included. */
  readonly text: string;
  /** Whether reasoning is in it: then it stays in the prompt only until the user speaks again. */
  readonly reasons: boolean;
}

/** Messages with calls and what was written for them. */
export type WrittenTurns = Pick<WeakMap<Message, WrittenTurn>, 'get'>;

/**
 * Renders a conversation with what the model wrote in place of what a template makes of its calls, so
 * that the cache of it can be used.
 *
 * @returns nothing where the template does not allow it.
 */
export function renderAsWritten(
  messages: readonly Message[],
  written: WrittenTurns,
  render: (messages: readonly Message[]) => string,
): string | undefined {
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  const turns: string[] = [];
  const marked = messages.map((message, index): Message => {
    const turn = written.get(message);
    if (!turn || (turn.reasons && index < lastUser)) return message;
    turns.push(turn.text);
    return { role: 'assistant', content: mark(turns.length - 1) };
  });
  if (turns.length === 0) return undefined;
  let text: string;
  try {
    text = render(marked);
  } catch {
    // A template may want its calls where results follow.
    return undefined;
  }
  for (const [index, turn] of turns.entries()) {
    const [before, after, ...more] = text.split(mark(index));
    if (before === undefined || after === undefined || more.length > 0) return undefined;
    text = before + turn + after;
  }
  return text;
}

/** A text that nobody writes: from a private-use area. */
function mark(index: number): string {
  return `\uE0B8${index}\uE0B9`;
}
