import type { CallContext } from './call-format.js';
import { BrokenCall, NotACall, type Reading } from './call-reader.js';
import { parseJson } from './parse-json.js';

/** How calls in JSON are taken. */
export interface JsonCallOptions {
  /**
   * Whether no mark says that this is a call. Then JSON that does not look like one is text, and no
   * broken call.
   */
  readonly bare?: boolean;
}

const maxWrappers = 4;

/** Reads `{"name": …, "arguments": …}`, or a list of these. */
export function* readJsonCalls(
  context: CallContext,
  options: JsonCallOptions = {},
  wrappers = 0,
): Reading<void> {
  const { reader } = context;
  yield* reader.skipSpace();
  if (!(yield* reader.literal('['))) {
    yield* new JsonCall(context, options, wrappers).read();
    return;
  }
  for (let first = true; ; first = false) {
    yield* reader.skipSpace();
    if (yield* reader.literal(']')) return;
    if (!first) {
      yield* reader.expect(',');
      yield* reader.skipSpace();
    }
    // Only the first says whether this is a list of calls.
    const bare = options.bare === true && first;
    yield* new JsonCall(context, { bare }, wrappers).read();
  }
}

const nameKeys = new Set(['name', 'tool', 'tool_name', 'function_name']);
const argumentKeys = new Set(['arguments', 'parameters', 'args', 'tool_arguments']);
const idKeys = new Set(['id', 'call_id', 'tool_call_id']);
const wrapperKeys = new Set(['tool_calls', 'tool_call', 'function_call']);

/** One call in JSON, whichever of the usual keys it has. */
class JsonCall {
  readonly #context: CallContext;
  readonly #bare: boolean;
  readonly #wrappers: number;
  #name: string | undefined;
  #id: string | undefined;
  #arguments: string | undefined;
  #begun = false;
  #wraps = false;

  constructor(context: CallContext, options: JsonCallOptions, wrappers: number) {
    this.#context = context;
    this.#bare = options.bare === true;
    this.#wrappers = wrappers;
  }

  *read(): Reading<void> {
    try {
      yield* this.#readObject(0);
      if (this.#wraps && this.#name === undefined) return;
      if (this.#name === undefined) throw new BrokenCall('malformed', 'it names no tool');
      if (!this.#looksLikeCall) throw new NotACall();
      const given = this.#given();
      if (!this.#begun) this.#context.begin(this.#name, this.#id);
      this.#context.finish(given);
    } catch (error) {
      throw error instanceof BrokenCall && !this.#looksLikeCall ? new NotACall() : error;
    }
  }

  /** Whether it is a call beyond doubt, so that what is wrong with it is a fault. */
  get #looksLikeCall(): boolean {
    if (!this.#bare || this.#wraps || this.#begun) return true;
    if (this.#name === undefined) return false;
    return this.#arguments !== undefined || this.#context.tools.has(this.#name);
  }

  *#readObject(depth: number): Reading<void> {
    const { reader } = this.#context;
    yield* reader.expect('{');
    for (let first = true; ; first = false) {
      yield* reader.skipSpace();
      if (yield* reader.literal('}')) return;
      if (!first) {
        yield* reader.expect(',');
        yield* reader.skipSpace();
      }
      if ((yield* reader.peek()) !== '"') yield* reader.expect('"');
      const key = String(parseJson(yield* reader.json()));
      yield* reader.skipSpace();
      yield* reader.expect(':');
      yield* reader.skipSpace();
      yield* this.#readValue(key, yield* reader.peek(), depth);
    }
  }

  *#readValue(key: string, first: string, depth: number): Reading<void> {
    const { reader } = this.#context;
    if (nameKeys.has(key) || (key === 'function' && first === '"')) {
      const name = parseJson(yield* reader.json());
      if (typeof name !== 'string') throw new BrokenCall('malformed', 'its name is no string');
      this.#name ??= name;
    } else if (key === 'function' && first === '{' && depth === 0) {
      yield* this.#readObject(depth + 1);
    } else if (argumentKeys.has(key)) yield* this.#readArguments(first);
    else if (idKeys.has(key)) {
      const id = parseJson(yield* reader.json());
      if (typeof id === 'string') this.#id = id;
    } else if (wrapperKeys.has(key) && this.#wrappers < maxWrappers) {
      this.#wraps = true;
      yield* readJsonCalls(this.#context, {}, this.#wrappers + 1);
    } else {
      if (this.#bare && key !== 'type' && !this.#looksLikeCall) throw new NotACall();
      parseJson(yield* reader.json());
    }
  }

  *#readArguments(first: string): Reading<void> {
    const context = this.#context;
    if (this.#arguments !== undefined) {
      throw new BrokenCall('malformed', 'it holds its arguments twice');
    }
    if (this.#name === undefined || first !== '{') {
      this.#arguments = yield* context.reader.json();
      return;
    }
    this.#begun = true;
    context.begin(this.#name, this.#id);
    this.#arguments = yield* context.reader.json((text) => {
      context.delta(text);
    });
  }

  #given(): unknown {
    const given = this.#arguments === undefined ? {} : parseJson(this.#arguments);
    // Some write the JSON of the arguments as a string.
    return typeof given === 'string' && given.trim() !== '' ? parseJson(given) : (given ?? {});
  }
}
