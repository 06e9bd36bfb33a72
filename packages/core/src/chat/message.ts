import type { ToolCall } from './tools/tool-call.js';

/** Who speaks. `tool` messages carry the result of a tool that the assistant called. */
export type MessageRole = 'system' | 'user' | 'assistant' | 'tool';

/** One message of a conversation. */
export interface Message {
  /** Who speaks. */
  readonly role: MessageRole;
  /** What is said, as plain text: the spelling of a special token in it stays text. */
  readonly content: string;
  /** Name of the speaker or, for `tool`, of the tool; only templates that know names use it. */
  readonly name?: string;
  /** Calls that an `assistant` message asks for, besides what it says. */
  readonly toolCalls?: readonly ToolCall[];
  /** Id of the call that a `tool` message answers. */
  readonly toolCallId?: string;
}
