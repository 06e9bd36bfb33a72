import type { EncodedPrompt } from './conversation-encoder.js';
import type { Message } from './message.js';

/** What {@link fitConversation} is told. */
export interface FitConversationOptions {
  /** Renders and encodes messages. */
  readonly encode: (messages: readonly Message[]) => Promise<EncodedPrompt>;
  /** Messages at the beginning that always stay. */
  readonly keepMessages: number;
  /** Messages after those that have been left out before; they stay out. */
  readonly dropped: number;
  /** Tokens that the prompt may have. */
  readonly maxTokens: number;
}

/**
 * Encodes a conversation; where it is too long, without its oldest messages but those that are to be
 * kept. Then as many go as make room for a while, so that not every turn has to compute all again.
 * What is left begins with a user message, as templates want it, and holds the last message in any case.
 */
export async function fitConversation(
  messages: readonly Message[],
  { encode, keepMessages, dropped, maxTokens }: FitConversationOptions,
): Promise<EncodedPrompt & { readonly droppedMessages: number }> {
  const without = async (droppedMessages: number) => ({
    ...(await encode(withoutDropped(messages, keepMessages, droppedMessages))),
    droppedMessages,
  });
  const whole = await without(dropped);
  if (whole.tokens.length <= maxTokens) return whole;
  const places = messages
    .slice(0, -1)
    .map((_, index) => index + 1 - keepMessages)
    .filter((place) => place > dropped && messages[keepMessages + place]?.role === 'user');
  // The fewest that make room: prompts get shorter with each one that goes.
  let left = places;
  let best: Awaited<ReturnType<typeof without>> | undefined;
  while (left.length > 0) {
    const middle = left.length >> 1;
    const prompt = await without(left[middle] ?? dropped);
    const fits = prompt.tokens.length <= maxTokens * (1 - spareShare);
    if (fits) best = prompt;
    left = fits ? left.slice(0, middle) : left.slice(middle + 1);
  }
  return best ?? without(places.at(-1) ?? dropped);
}

/** The messages but the oldest behind those that are kept. */
export function withoutDropped(
  messages: readonly Message[],
  keepMessages: number,
  dropped: number,
): Message[] {
  return [...messages.slice(0, keepMessages), ...messages.slice(keepMessages + dropped)];
}

/** Share of the room that is free after messages were dropped. */
const spareShare = 1 / 4;
