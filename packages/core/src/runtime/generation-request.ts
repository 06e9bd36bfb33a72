import { checkTools } from '../chat/tools/check-tools.js';
import type { ForcedCalls } from '../chat/tools/force-calls.js';
import type { ToolChoice, ToolDefinition } from '../chat/tools/tool-definition.js';
import {
  type EngineCapabilities,
  type SamplingFeature,
  samplingFeatures,
} from '../engine/capabilities.js';
import type { Speculation } from '../engine/driver.js';
import type { ResolvedSampling } from '../engine/sampling.js';
import { type CheckedSampling, resolveSampling, samplingChecks } from '../engine/sampling.js';
import type { GenerationOptions } from '../engine/generation-options.js';
import * as check from '../errors/check-options.js';
import { wrongType, wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { AdapterHandle } from './adapter-handle.js';
import { type AdapterSet, adapterSet, type ResolvedAdapterUse } from './adapter-set.js';
import {
  type AnswerForm,
  checkRegex,
  checkSchema,
  formOf,
  grammarOf,
} from '../structure/answer-form.js';

/** {@link GenerationOptions} checked, with every default filled in. */
export interface GenerationSettings {
  readonly maxTokens: number;
  readonly stops: readonly string[];
  readonly splitReasoning: boolean;
  /** Tools that the model may call; none where it is not to call any. */
  readonly tools: readonly ToolDefinition[];
  /** Makes the answer a call; `undefined` where it is the model's choice. */
  readonly forced: ForcedCalls | undefined;
  readonly logprobs: number | undefined;
  /** In GBNF. */
  readonly grammar: string | undefined;
  /** Which option asked for a form of the answer; `undefined` for none. */
  readonly form: keyof AnswerForm | undefined;
  readonly adapters: AdapterSet;
  readonly sampling: ResolvedSampling;
  /** `off` where the engine cannot guess. */
  readonly speculation: Speculation;
  readonly signal: AbortSignal | undefined;
}

const nonEmpty = check.string({ nonEmpty: true });

const stopStrings: check.Check<readonly string[]> = (value, key) =>
  typeof value === 'string' ? [nonEmpty(value, key)] : check.arrayOf(nonEmpty)(value, key);

/** Longest grammar in UTF-16 units; the native side has the same limit, in bytes. */
const longestGrammar = 2 ** 20;

const grammarSource: check.Check<string> = (value, key) => {
  const source = nonEmpty(value, key);
  if (source.length <= longestGrammar) return source;
  throw wrongValue(key, `must be at most ${longestGrammar} characters, but it is ${source.length}`);
};

/** Adapters that may be applied together. */
const maxAdapters = 32;
/** Far beyond what any adapter was made for, and far from where f32 ends. */
const largestScale = 1e6;

const adapterHandle: check.Check<AdapterHandle> = (value, key) => {
  if (value instanceof AdapterHandle) return value;
  throw wrongType(key, 'an adapter that loadAdapter of this model gave', value);
};

const adapterUse = check.optionsObject({
  adapter: adapterHandle,
  scale: check.number({ min: -largestScale, max: largestScale }),
});

/** Checks `adapters`: what is applied, each once. */
export const checkAdapters: check.Check<readonly ResolvedAdapterUse[]> = (value, key) => {
  const uses: ResolvedAdapterUse[] = [];
  for (const [index, use] of check.arrayOf(adapterUse)(value, key).entries()) {
    const path = `${key}[${index}].adapter`;
    const adapter = use.adapter ?? adapterHandle(undefined, path);
    if (uses.some((other) => other.adapter === adapter)) {
      throw wrongValue(path, 'is named twice; give one scale for it');
    }
    uses.push({ adapter, scale: use.scale ?? 1 });
  }
  if (uses.length > maxAdapters) {
    throw wrongValue(
      key,
      `names ${uses.length} adapters, and ${maxAdapters} at most can be applied`,
    );
  }
  return uses;
};

/** Checks that adapters are open, and were loaded by a model. */
export function requireAdaptersOf(model: object, { uses }: AdapterSet): void {
  for (const { adapter } of uses) {
    if (!adapter.isOf(model)) {
      throw wrongValue('adapters', 'names an adapter that another model has loaded');
    }
    adapter.lifetime.requireOpen();
  }
}

const checkChoice = check.oneOf('auto', 'none', 'required');

const namedTool = check.optionsObject({
  type: check.oneOf('function'),
  function: check.optionsObject({ name: check.string({ nonEmpty: true }) }),
});

const toolChoice: check.Check<ToolChoice> = (value, key) => {
  if (typeof value === 'string' || value === undefined || value === null) {
    return checkChoice(value, key);
  }
  const { type, function: named } = namedTool(value, key);
  if (type === undefined) throw wrongType(`${key}.type`, `'function'`, type);
  if (named?.name === undefined) throw wrongType(`${key}.function.name`, 'a string', undefined);
  return { type, function: { name: named.name } };
};

/** The checks of all generation options. */
export const generationChecks = {
  ...samplingChecks,
  maxTokens: check.integer({ min: 0 }),
  stop: stopStrings,
  reasoning: check.oneOf('auto', 'keep'),
  tools: checkTools,
  toolChoice,
  maxToolCalls: check.integer({ min: 1, max: 64 }),
  logprobs: check.integer({ min: 0, max: 20 }),
  grammar: grammarSource,
  schema: checkSchema,
  regex: checkRegex,
  adapters: checkAdapters,
  speculation: check.oneOf('off', 'auto', 'always'),
  signal: check.abortSignal,
} as const;

const checkGeneration = check.optionsObject(generationChecks);

/**
 * Checks generation options against their types and against what the engine can do.
 *
 * @param force makes forced calls of tools.
 * @throws InvalidArgument naming the bad key; MobillmError `UNSUPPORTED` naming the missing feature.
 */
export function generationSettings(
  options: GenerationOptions,
  capabilities: EngineCapabilities,
  engine: string,
  force: (tools: readonly ToolDefinition[], maxCalls: number) => ForcedCalls,
): GenerationSettings {
  const checked = checkGeneration(options, '');
  if (checked.logprobs !== undefined && !capabilities.logprobs) {
    throw unsupported(engine, 'report log-probabilities', 'logprobs');
  }
  const grammar = grammarOf(checked);
  if (grammar !== undefined && !capabilities.grammar) {
    throw unsupported(engine, 'hold an answer to a grammar', 'grammar');
  }
  const tools = checked.toolChoice === 'none' ? [] : (checked.tools ?? []);
  const form = formOf(checked);
  if (tools.length > 0 && (form === 'schema' || form === 'regex')) {
    throw wrongValue(
      form,
      'cannot be given beside "tools", since an answer of that form calls none; add toolChoice: \'none\' where the tools have been called',
    );
  }
  const sampling = supportedSampling(checked, capabilities.sampling, engine);
  const callable = toolsToCall(checked.toolChoice, tools);
  if (callable && !capabilities.grammar) {
    throw unsupported(engine, 'be made to call a tool', 'grammar');
  }
  if (callable && form !== undefined) {
    throw wrongValue(
      form,
      'cannot be given beside a "toolChoice" that forces calls: these are the form of the answer',
    );
  }
  return {
    maxTokens: checked.maxTokens ?? Infinity,
    stops: checked.stop ?? [],
    splitReasoning: checked.reasoning !== 'keep',
    tools,
    forced: callable && force(callable, checked.maxToolCalls ?? 1),
    logprobs: checked.logprobs,
    grammar,
    form,
    adapters: adapterSet(checked.adapters ?? []),
    sampling,
    speculation: supportedSpeculation(checked, sampling, capabilities, engine),
    signal: checked.signal,
  };
}

function supportedSpeculation(
  { speculation, seed }: { readonly speculation?: Speculation; readonly seed?: number },
  { temperature }: ResolvedSampling,
  capabilities: EngineCapabilities,
  engine: string,
): Speculation {
  if (!capabilities.speculation) {
    if (speculation === 'always') throw unsupported(engine, 'guess tokens ahead', 'speculation');
    return 'off';
  }
  // How many guesses a step has depends on how long steps took, and how a step rounds on how many.
  const repeatable = seed !== undefined || temperature === 0;
  return speculation ?? (repeatable ? 'off' : 'auto');
}

/** The tools of which one is to be called; nothing where the model need not call any. */
function toolsToCall(
  choice: ToolChoice | undefined,
  tools: readonly ToolDefinition[],
): readonly ToolDefinition[] | undefined {
  if (choice === undefined || choice === 'auto' || choice === 'none') return undefined;
  if (tools.length === 0) throw wrongValue('toolChoice', 'forces a call: give "tools" with it');
  if (choice === 'required') return tools;
  const { name } = choice.function;
  const named = tools.filter((tool) => tool.function.name === name);
  if (named.length > 0) return named;
  throw wrongValue('toolChoice.function.name', `is "${name}", which none of the "tools" is named`);
}

/** Values that leave a feature out, for engines that do not have it. */
const neutral: Partial<Record<SamplingFeature, CheckedSampling>> = {
  temperature: { temperature: 0 },
  topK: { topK: 0 },
  topP: { topP: 1 },
  minP: { minP: 0 },
};

function supportedSampling(
  checked: CheckedSampling,
  supported: readonly SamplingFeature[],
  engine: string,
): ResolvedSampling {
  const has = (feature: SamplingFeature) => supported.includes(feature);
  let settings = checked;
  for (const feature of samplingFeatures) {
    if (has(feature)) continue;
    const off = neutral[feature] ?? {};
    const asked = checked[feature];
    if (asked !== undefined && asked !== off[feature as keyof CheckedSampling]) {
      throw unsupported(engine, `sample with "${feature}"`, feature);
    }
    settings = { ...settings, ...off };
  }
  return resolveSampling(settings);
}

/** The error for asking an engine for what it has not declared. */
export function unsupported(engine: string, what: string, capability: string): MobillmError {
  return new MobillmError(
    'UNSUPPORTED',
    `The engine "${engine}" cannot ${what} ("${capability}" is not among its capabilities).`,
    { details: { engine, capability } },
  );
}
