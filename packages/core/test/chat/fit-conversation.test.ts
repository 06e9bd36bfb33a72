import { describe, expect, it } from 'vitest';
import { fitConversation } from '../../src/chat/fit-conversation.js';
import type { Message } from '../../src/chat/message.js';

/** Each word is a token, and each message has one more. */
function encode(messages: readonly Message[]) {
  const text = messages.map(({ role, content }) => `${role} ${content}`).join(' ');
  const tokens = text.split(' ').map((word) => word.length);
  return Promise.resolve({ text, tokens, insideReasoning: false });
}

/** A system message, and turns of ten tokens each. */
function conversation(turns: number): Message[] {
  return [
    { role: 'system', content: 'one two three four' },
    ...Array.from({ length: turns }, (_, turn): Message[] => [
      { role: 'user', content: `${turn} a b c` },
      { role: 'assistant', content: `${turn} d e f` },
    ]).flat(),
    { role: 'user', content: 'last a b c' },
  ];
}

async function fit(messages: readonly Message[], maxTokens: number, keepMessages = 1, dropped = 0) {
  const prompt = await fitConversation(messages, { encode, keepMessages, dropped, maxTokens });
  return { ...prompt, count: prompt.tokens.length };
}

describe('a conversation that has to fit', () => {
  it('is left as it is where it does', async () => {
    const prompt = await fit(conversation(3), 40);
    expect(prompt).toMatchObject({ count: 40, droppedMessages: 0 });
  });

  it('loses its oldest turns, and a quarter of the room stays free for the next ones', async () => {
    const prompt = await fit(conversation(10), 80);
    expect(prompt).toMatchObject({ count: 60, droppedMessages: 10 });
    expect(prompt.text).toMatch(/^system one two three four user 5 a b c/);
    expect(prompt.text).toMatch(/user last a b c$/);
  });

  it('keeps what is to be kept, at any length of that', async () => {
    const prompt = await fit(conversation(10), 80, 3);
    expect(prompt.text).toMatch(/^system one two three four user 0 a b c assistant 0 d e f user /);
    expect(await fit(conversation(10), 80, 100)).toMatchObject({ droppedMessages: 0, count: 110 });
    expect((await fit(conversation(10), 80, 0)).text).toMatch(/^user /);
  });

  it('does not take back what it had dropped before', async () => {
    expect(await fit(conversation(3), 1000, 1, 2)).toMatchObject({ count: 30, droppedMessages: 2 });
    expect((await fit(conversation(10), 80, 1, 4)).droppedMessages).toBe(10);
  });

  it('ends with the last message, and with too many tokens if that alone is too long', async () => {
    expect(await fit(conversation(10), 3)).toMatchObject({ count: 10, droppedMessages: 20 });
    expect(await fit(conversation(0), 3)).toMatchObject({ count: 10, droppedMessages: 0 });
  });

  it('begins with a user message, whatever lies between', async () => {
    const messages = conversation(6).flatMap((message): Message[] =>
      message.role === 'assistant' ? [message, { role: 'tool', content: 'x' }] : [message],
    );
    expect((await fit(messages, 60)).text).toMatch(/^system one two three four user /);
  });
});
