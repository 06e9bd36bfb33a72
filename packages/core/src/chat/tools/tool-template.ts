import type { ChatTemplate, ChatTemplateVariables, TemplateMessage } from '../chat-template.js';
import type { Message } from '../message.js';
import type { CallFormat } from './call-format.js';
import { writeJson } from './parse-json.js';
import type { ToolDefinition } from './tool-definition.js';
import { writeCalls } from './write-calls.js';

/** How a template wants the calls of a message. */
interface CallShape {
  readonly arguments: 'object' | 'string';
  /** What stands where nothing is said besides. */
  readonly noContent: '' | null;
}

const callShapes: readonly CallShape[] = [
  { arguments: 'object', noContent: '' },
  { arguments: 'object', noContent: null },
  { arguments: 'string', noContent: '' },
  { arguments: 'string', noContent: null },
];

/** What a template does with tools, found out by trying: they agree on little. */
interface Abilities {
  /**
   * Where definitions go: into the variable `tools`, or the member `tools` of the system message; with
   * neither they become an instruction.
   */
  readonly definitions: 'variable' | 'system-message' | undefined;
  /** Whether system messages are rendered. */
  readonly system: boolean;
  /** How calls are rendered, if they are. */
  readonly calls: CallShape | undefined;
  /** Whether `tool` messages are rendered. */
  readonly results: boolean;
  /** Whether ids have to be of nine letters and digits. */
  readonly shortIds: boolean;
}

type Variables = Omit<ChatTemplateVariables, 'tools'>;

/** Renders conversations with tools by templates that know of tools, of some of them, or of nothing. */
export class ToolTemplate {
  readonly #template: ChatTemplate;
  readonly #format: CallFormat;
  #found: Abilities | undefined;

  constructor(template: ChatTemplate, format: CallFormat) {
    this.#template = template;
    this.#format = format;
  }

  /**
   * Renders messages whose texts have their special spellings hidden.
   *
   * @throws MobillmError `TEMPLATE_FAILED`.
   */
  render(
    messages: readonly Message[],
    tools: readonly ToolDefinition[],
    variables: Variables,
  ): string {
    const plain = messages.every(({ role, toolCalls }) => role !== 'tool' && !toolCalls);
    if (plain && tools.length === 0) return this.#template.render(shown(messages), variables);
    const known = this.#abilities(variables);
    try {
      return this.#render(messages, tools, variables, known);
    } catch (error) {
      const single = oneCallEach(messages);
      // Some templates know one call a message, as Llama's.
      if (single.length === messages.length) throw error;
      return this.#render(single, tools, variables, known);
    }
  }

  #render(
    messages: readonly Message[],
    tools: readonly ToolDefinition[],
    variables: Variables,
    known: Abilities,
  ): string {
    const ids = known.shortIds ? shortIds(messages) : undefined;
    const shaped = messages.map((message) => this.#shape(message, known, ids));
    const spoken = known.results ? shaped : resultsAsUser(shaped);
    if (tools.length === 0) return this.#template.render(spoken, variables);
    if (known.definitions === 'variable') {
      return this.#template.render(spoken, { ...variables, tools });
    }
    if (known.definitions === 'system-message') {
      const described = tools.map((tool) => tool.function);
      const [system, rest] = systemFirst(spoken);
      const first = { ...system, tools: writeJson(described) };
      return this.#template.render([first, ...rest], variables);
    }
    return this.#template.render(this.#instruct(spoken, tools, known), variables);
  }

  /** A message as templates know it. */
  #shape(
    { toolCalls, toolCallId, ...message }: Message,
    known: Abilities,
    ids: ReadonlyMap<string, string> | undefined,
  ): TemplateMessage {
    const idOf = (id: string) => ids?.get(id) ?? id;
    if (toolCallId !== undefined) return { ...message, tool_call_id: idOf(toolCallId) };
    if (toolCalls === undefined) return message;
    if (!known.calls) {
      const calls = toolCalls.map((call) => ({ name: call.name, json: writeJson(call.arguments) }));
      const written = writeCalls(this.#format.form, calls);
      return { ...message, content: message.content ? `${message.content}\n${written}` : written };
    }
    const { calls } = known;
    return {
      ...message,
      content: message.content === '' ? calls.noContent : message.content,
      tool_calls: toolCalls.map((call) => ({
        type: 'function',
        id: idOf(call.id),
        function: {
          name: call.name,
          arguments: calls.arguments === 'object' ? call.arguments : writeJson(call.arguments),
        },
      })),
    };
  }

  /** Puts the definitions into the system message, or into the first of the user's. */
  #instruct(
    messages: readonly TemplateMessage[],
    tools: readonly ToolDefinition[],
    known: Abilities,
  ): TemplateMessage[] {
    const example = writeCalls(this.#format.form, [
      { name: '<name>', json: '{"<argument>": <value>}' },
    ]);
    const text = [
      'You can call these tools:',
      ...tools.map((tool) => writeJson(tool.function)),
      `To call one, answer with exactly this and nothing else:\n${example}`,
      'You will get its result in the next message. Answer with text where no tool is needed.',
    ].join('\n');
    if (known.system) {
      const [system, rest] = systemFirst(messages);
      const said = system.content ?? '';
      return [{ ...system, content: said === '' ? text : `${said}\n\n${text}` }, ...rest];
    }
    const first = messages.findIndex(({ role }) => role === 'user');
    return messages.map((message, index) =>
      index === first ? { ...message, content: `${text}\n\n${message.content ?? ''}` } : message,
    );
  }

  #abilities(variables: Variables): Abilities {
    if (this.#found) return this.#found;
    const renders = (
      messages: readonly TemplateMessage[],
      needles: readonly string[],
      tools?: readonly unknown[],
    ) => {
      try {
        const text = this.#template.render(messages, { ...variables, ...(tools && { tools }) });
        return needles.every((needle) => text.includes(needle)) && !text.includes('[object ');
      } catch {
        return false;
      }
    };
    const system = renders([{ role: 'system', content: needle.system }, asked], [needle.system]);
    const first = system ? [{ role: 'system', content: needle.system }] : [];
    const described = { role: 'system', content: needle.system, tools: writeJson([tool.function]) };
    const calls = callShapes.find((shape) => {
      const plain = (id: string) => [asked, called(shape, id), answered(id)];
      return (
        renders(plain(needle.id), [needle.name, needle.value]) &&
        // As text inside of JSON it would stand there with its quotes escaped.
        !renders(plain(needle.id), [String.raw`\"${needle.key}`])
      );
    });
    const definitions = renders([...first, asked], [needle.name], [tool])
      ? 'variable'
      : renders([described, asked], [needle.name])
        ? 'system-message'
        : undefined;
    const caller: TemplateMessage = calls
      ? called(calls, needle.id)
      : { role: 'assistant', content: needle.value };
    this.#found = {
      definitions,
      system,
      calls,
      results: renders([asked, caller, answered(needle.id)], [needle.result]),
      shortIds:
        calls !== undefined &&
        !renders([asked, called(calls, 'call_1'), answered('call_1')], [needle.name]),
    };
    return this.#found;
  }
}

/** Messages without calls, as templates know them. */
function shown(messages: readonly Message[]): TemplateMessage[] {
  return messages.map((message) => ({ ...message }));
}

/** What the trials say, which no template holds by itself. */
const needle = {
  name: 'probe_tool',
  key: 'probe_key',
  value: 'probe_value',
  result: 'probe_result',
  system: 'probe_system',
  id: 'call00000',
} as const;

const asked: TemplateMessage = { role: 'user', content: 'probe_question' };

const tool: ToolDefinition = {
  type: 'function',
  function: {
    name: needle.name,
    description: 'A probe.',
    parameters: {
      type: 'object',
      properties: { [needle.key]: { type: 'string', description: 'A probe.' } },
      required: [needle.key],
    },
  },
};

function called({ arguments: form, noContent }: CallShape, id: string): TemplateMessage {
  const given = { [needle.key]: needle.value };
  const described = {
    name: needle.name,
    arguments: form === 'object' ? given : writeJson(given),
  };
  const call = { type: 'function', id, function: described };
  return { role: 'assistant', content: noContent, tool_calls: [call] };
}

function answered(id: string): TemplateMessage {
  return { role: 'tool', name: needle.name, tool_call_id: id, content: needle.result };
}

/** The system message, made where there is none, and the others. */
function systemFirst(messages: readonly TemplateMessage[]): [TemplateMessage, TemplateMessage[]] {
  const [first, ...rest] = messages;
  return first?.role === 'system'
    ? [first, rest]
    : [{ role: 'system', content: '' }, [...messages]];
}

/** Gives results to templates that know no such messages: those in a row as one of the user. */
function resultsAsUser(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const spoken: TemplateMessage[] = [];
  let joins = false;
  for (const message of messages) {
    if (message.role !== 'tool') {
      spoken.push(message);
      joins = false;
      continue;
    }
    const whose = message.name === undefined ? 'a tool' : `the tool ${message.name}`;
    const content = `Result of ${whose}:\n${message.content ?? ''}`;
    const last = joins ? spoken.pop() : undefined;
    spoken.push({
      role: 'user',
      content: last ? `${last.content ?? ''}\n\n${content}` : content,
    });
    joins = true;
  }
  return spoken;
}

/** Ids of nine letters and digits, by the order of the calls; those that are so already stay. */
function shortIds(messages: readonly Message[]): Map<string, string> {
  const ids = new Map<string, string>();
  for (const { id } of messages.flatMap(({ toolCalls = [] }) => toolCalls)) {
    const short = /^[a-z\d]{9}$/iu.test(id) ? id : `id${String(ids.size).padStart(7, '0')}`;
    ids.set(id, short);
  }
  return ids;
}

/** Messages of one call each, every one with its result behind it. */
function oneCallEach(messages: readonly Message[]): Message[] {
  return messages.flatMap((message, index): Message[] => {
    if (message.role === 'tool' && resultOwner(messages, index)) return [];
    const { toolCalls = [], ...said } = message;
    if (toolCalls.length < 2) return [message];
    const results = messages.slice(index + 1, index + 1 + resultsAfter(messages, index));
    return [
      ...toolCalls.flatMap((call, number): Message[] => [
        { ...said, content: number === 0 ? said.content : '', toolCalls: [call] },
        ...results.filter((result) => result.toolCallId === call.id),
      ]),
      ...results.filter((result) => !toolCalls.some((call) => call.id === result.toolCallId)),
    ];
  });
}

/** How many results follow a message at once. */
function resultsAfter(messages: readonly Message[], index: number): number {
  const next = messages.slice(index + 1).findIndex(({ role }) => role !== 'tool');
  return next === -1 ? messages.length - index - 1 : next;
}

/** Whether the result at a place belongs to a message of several calls, which takes it along. */
function resultOwner(messages: readonly Message[], index: number): boolean {
  const before = messages.slice(0, index).findLast(({ role }) => role !== 'tool');
  return (before?.toolCalls?.length ?? 0) > 1;
}
