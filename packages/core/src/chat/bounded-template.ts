import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

/**
 * A Jinja template that comes with a model file, and so from anybody: what it may compute is bounded.
 * Without bounds a nested loop over `range` holds up the JavaScript thread for hours, and doubling a
 * list forty times ends the process.
 */
export class BoundedTemplate {
  readonly #program: ReturnType<typeof parse>;

  /** @throws Error when the source cannot be parsed. */
  constructor(source: string) {
    if (source.length > maxSourceLength) {
      throw new Error(`it is longer than ${maxSourceLength} characters`);
    }
    this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  }

  /** @throws Error when the template fails, raises an exception, or computes too much. */
  render(
    variables: Readonly<Record<string, unknown>> & {
      readonly messages: readonly unknown[];
      readonly tools?: readonly unknown[];
    },
  ): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...globals, ...variables })) {
      environment.set(name, value);
    }
    const interpreter = new Interpreter(environment);
    const items = variables.messages.length + (variables.tools?.length ?? 0);
    const given = (maxPasses * charactersIn(variables)) / unitsPerStep;
    bound(interpreter, maxSteps + maxStepsPerItem * items + given);
    const { value } = interpreter.run(this.#program);
    return typeof value === 'string' ? value : '';
  }
}

/** Longest template source in characters; the longest ones of real models have some 20,000. */
const maxSourceLength = 1 << 20;
/** Evaluations that a rendering may take, about a second's worth, and more for a long conversation or many tools. */
const maxSteps = 200_000;
const maxStepsPerItem = 1000;
/** A value of so many characters or elements counts as one evaluation more: filters look at all of them. */
const unitsPerStep = 100;
/** How often a template may pass on what it is given, as it is. */
const maxPasses = 50;
/** Elements in one list, and characters in one text. */
const maxElements = 100_000;
const maxCharacters = 1 << 26;

/**
 * Counts every evaluation, and every round of a loop even if its body is empty, and measures what
 * comes out. The interpreter offers no hook of its own.
 */
function bound(interpreter: Interpreter, limitSteps: number): void {
  const evaluate = interpreter['evaluate'].bind(interpreter);
  const iterables = new WeakSet();
  let steps = 0;
  interpreter['evaluate'] = (statement, environment) => {
    const loop = statement as { readonly type?: string; readonly iterable?: object } | undefined;
    if (loop?.type === 'For' && loop.iterable) iterables.add(loop.iterable);
    const result = evaluate(statement, environment);
    const size = sizeOf(result.value);
    const limit = result.type === 'StringValue' ? maxCharacters : maxElements;
    if (size > limit) throw new Error(`it makes a value of more than ${limit} elements`);
    steps += 1 + (loop && iterables.has(loop) ? size : size / unitsPerStep);
    if (steps > limitSteps) {
      throw new Error(`it computes more than ${Math.floor(limitSteps)} steps`);
    }
    return result;
  };
}

/** Characters of all texts in a value as JSON has them. */
function charactersIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, item) => sum + charactersIn(item), 0);
}

function sizeOf(value: unknown): number {
  const { length, size } = (value ?? {}) as { readonly length?: unknown; readonly size?: unknown };
  return typeof length === 'number' ? length : typeof size === 'number' ? size : 0;
}

/** What every template can use, as in the library's own `Template`. */
const globals: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: unknown): never => {
    throw new Error(String(message));
  },
  range: (first: number, second?: number, step = 1): number[] => {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    const length = Math.max(0, Math.ceil((stop - start) / step));
    if (!(length <= maxElements)) throw new Error(`range() of ${length} elements`);
    return Array.from({ length }, (_, index) => start + index * step);
  },
  strftime_now: (format: string): string => formatTime(new Date(), format),
};

/** The parts of a time that chat templates write, by their letter after `%`; others stay as they are. */
function formatTime(time: Date, format: string): string {
  const name = (options: Intl.DateTimeFormatOptions) => time.toLocaleString('en-US', options);
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, () => string>> = {
    '%': () => '%',
    A: () => name({ weekday: 'long' }),
    a: () => name({ weekday: 'short' }),
    B: () => name({ month: 'long' }),
    b: () => name({ month: 'short' }),
    d: () => two(time.getDate()),
    H: () => two(time.getHours()),
    I: () => two(((time.getHours() + 11) % 12) + 1),
    M: () => two(time.getMinutes()),
    m: () => two(time.getMonth() + 1),
    p: () => (time.getHours() < 12 ? 'AM' : 'PM'),
    S: () => two(time.getSeconds()),
    Y: () => String(time.getFullYear()),
    y: () => two(time.getFullYear() % 100),
  };
  return format.replace(/%(.)/gu, (whole, letter: string) => parts[letter]?.() ?? whole);
}
