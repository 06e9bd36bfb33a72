import type { Message } from '../message.js';

/** Ids of all calls that messages ask for. */
export function usedCallIds(messages: readonly Message[]): string[] {
  return messages.flatMap(({ toolCalls = [] }) => toolCalls.map(({ id }) => id));
}
