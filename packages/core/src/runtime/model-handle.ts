import { ConversationEncoder, type EncodedPrompt } from '../chat/conversation-encoder.js';
import { checkMessage, checkMessages } from '../chat/check-messages.js';
import type { Message } from '../chat/message.js';
import { checkTools } from '../chat/tools/check-tools.js';
import type { ToolDefinition } from '../chat/tools/tool-definition.js';
import { usedCallIds } from '../chat/tools/used-call-ids.js';
import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Placement } from '../engine/device.js';
import type { ModelDriver, ModelInfo, ModelLevers } from '../engine/driver.js';
import type { Adapter, LoadAdapterOptions } from '../engine/adapter.js';
import type { Model, Session } from '../engine/engine.js';
import type { GenerateOptions, GenerateSamplesOptions } from '../engine/generation-options.js';
import type { RestoreSessionOptions, SessionOptions } from '../engine/session-options.js';
import type { EmbedOptions, RerankOptions, RerankResult } from '../engine/text-options.js';
import * as check from '../errors/check-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { checkFilePath, readSessionFile } from '../session/session-file.js';
import { answerForms } from '../structure/answer-form.js';
import type { GenerationRun } from '../stream/generation-run.js';
import type { SamplesRun } from '../stream/samples-run.js';
import { checkText, requireToken } from '../tokenizer/check-text.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import type { ModelFiles } from '../store/model-files.js';
import { AdapterHandle } from './adapter-handle.js';
import { adapterOption, adapterSet, duringAll } from './adapter-set.js';
import { checkEmbed, embedTexts } from './embed-texts.js';
import {
  checkAdapters,
  generationChecks,
  type GenerationSettings,
  generationSettings,
  requireAdaptersOf,
  unsupported,
} from './generation-request.js';
import { JobLimit } from './job-limit.js';
import { Lifetime } from './lifetime.js';
import { SequencePool } from './sequence-pool.js';
import { SessionHandle } from './session-handle.js';
import type { RunHandle } from './run-handle.js';
import { startRun } from './start-run.js';
import { startSamples } from './start-samples.js';
import { toModelFiles } from './to-model-files.js';

/** What a {@link ModelHandle} is made of. */
export interface ModelHandleOptions {
  readonly driver: ModelDriver;
  readonly engine: string;
  readonly capabilities: EngineCapabilities;
  readonly sequences: number;
  /** Jinja source to use instead of the model's own. */
  readonly chatTemplate: string | undefined;
  /** Told once, when it has closed. */
  readonly onClose: () => void;
}

/** {@link Model} over a driver. */
export class ModelHandle implements Model {
  readonly #driver: ModelDriver;
  readonly #engine: string;
  readonly #capabilities: EngineCapabilities;
  readonly #encoder: ConversationEncoder;
  readonly #pool: SequencePool;
  readonly #lifetime = new Lifetime('model');
  readonly #textJobs = new JobLimit('calls of embed and rerank');
  readonly #onClose: () => void;
  readonly #sequences: number;
  readonly info: ModelInfo;
  readonly contextTokens: number;
  readonly tokenizer: Tokenizer;

  constructor(options: ModelHandleOptions) {
    this.#driver = options.driver;
    this.#onClose = options.onClose;
    this.#engine = options.engine;
    this.#sequences = options.sequences;
    this.#capabilities = options.capabilities;
    this.info = options.driver.info;
    this.contextTokens = options.driver.contextTokens;
    this.tokenizer = options.driver.tokenizer;
    this.#encoder = new ConversationEncoder(
      this.tokenizer,
      options.chatTemplate ?? this.info.chatTemplate,
    );
    this.#pool = new SequencePool(options.driver, options.sequences, options.capabilities);
  }

  get placement(): Placement {
    this.#lifetime.requireOpen();
    return this.#driver.placement();
  }

  async createSession(options: SessionOptions = {}): Promise<Session> {
    const { system, messages, ...rest } = checkSession(options, '');
    return this.#lifetime.during(undefined, (signal) =>
      this.#openSession(
        [
          ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
          ...(messages ?? []),
        ],
        rest,
        signal,
      ),
    );
  }

  async restoreSession(path: string, options: RestoreSessionOptions = {}): Promise<Session> {
    const file = checkFilePath(path, 'path');
    const { signal, onProgress, ...rest } = checkRestore(options, '');
    return this.#lifetime.during(signal, async (job) => {
      const saved = await readSessionFile(file, { signal: job, onProgress });
      // What it was opened with, where nothing else is asked for.
      const { keepMessages } = saved.window;
      const before =
        keepMessages === undefined ? {} : ({ contextPolicy: 'shift', keepMessages } as const);
      const session = await this.#openSession(saved.messages, { ...before, ...rest }, job);
      try {
        await session.restore(saved, job);
        return session;
      } catch (error) {
        await session.close();
        throw error;
      }
    });
  }

  async #openSession(
    messages: readonly Message[],
    { defaults, contextPolicy, keepMessages }: ConversationOptions,
    signal: AbortSignal,
  ): Promise<SessionHandle> {
    const systemMessages = messages[0]?.role === 'system' ? 1 : 0;
    this.#settings(defaults ?? {});
    const sequence = await this.#pool.take(signal);
    const session = new SessionHandle({
      model: this.#driver,
      engine: this.#engine,
      capabilities: this.#capabilities,
      pool: this.#pool,
      encoder: this.#encoder,
      messages,
      keepMessages: contextPolicy === 'shift' ? (keepMessages ?? systemMessages) : undefined,
      settings: (own) => this.#settings(joined(defaults, own)),
      sequence,
      onClose: () => {
        forget();
      },
    });
    const forget = this.#lifetime.adopt(session);
    // The model may have been closed while the sequence was made.
    if (signal.aborted) {
      await session.close();
      throw signal.reason;
    }
    return session;
  }

  generate(options: GenerateOptions): GenerationRun {
    this.#lifetime.requireOpen();
    const { input, settings } = this.#readGeneration(options);
    return this.#start(settings, input);
  }

  generateSamples(options: GenerateSamplesOptions): SamplesRun {
    this.#lifetime.requireOpen();
    check.record(options, 'options');
    const { n, ...single } = options;
    checkSamples(n, 'n');
    if (n > this.#sequences) {
      throw wrongValue('n', `the model was opened for ${this.#sequences} sequences at once`);
    }
    const { input, settings } = this.#readGeneration(single);
    let encoded: Promise<EncodedPrompt> | undefined;
    // The first asks, and the others begin when it has begun.
    const once: GenerationSource = {
      ...input,
      prompt: (_own, job) => (encoded ??= input.prompt(settings, job)),
    };
    return startSamples({
      lifetime: this.#lifetime,
      signal: settings.signal,
      makeRuns: (signal) =>
        Array.from({ length: n }, (_, sample) => {
          const seed = (settings.sampling.seed + sample) >>> 0;
          const sampling = { ...settings.sampling, seed };
          return this.#start({ ...settings, sampling, signal }, once);
        }),
    });
  }

  #start(settings: GenerationSettings, { messages, prompt }: GenerationSource): RunHandle {
    return startRun({
      model: this.#driver,
      pool: this.#pool,
      lifetime: this.#lifetime,
      settings,
      dropsLeadingSpace: this.#encoder.addsSpace && messages !== undefined,
      calls: () => ({ format: this.#encoder.callFormat, usedIds: usedCallIds(messages ?? []) }),
      acquire: async (signal) => {
        const encoded = await prompt(settings, signal);
        const { adapters } = settings;
        const sequence = await this.#pool.borrow(encoded.tokens, signal, adapters);
        return { prompt: encoded, sequence };
      },
      release: (sequence) => {
        this.#pool.giveBack(sequence);
      },
    });
  }

  encodeMessages(
    messages: readonly Message[],
    options: { readonly tools?: readonly ToolDefinition[] } = {},
  ): Token[] {
    this.#lifetime.requireOpen();
    const said = checkMessages(messages, 'messages');
    return [...this.#encoder.encode(said, checkToolsOnly(options, '')).tokens];
  }

  async loadAdapter(
    files: ModelFiles | string,
    options: LoadAdapterOptions = {},
  ): Promise<Adapter> {
    const { signal, onProgress } = checkLoadAdapter(options, '');
    return this.#lifetime.during(signal, async (job) => {
      if (!this.#capabilities.adapters || !this.#driver.loadAdapter)
        throw unsupported(this.#engine, 'apply adapters', 'adapters');
      const driver = await this.#driver.loadAdapter(
        toModelFiles(files, this.#capabilities, 'adapter'),
        {
          signal: job,
          ...(onProgress && { onProgress }),
        },
      );
      // The model may have been closed, or the caller have gone, while the last bytes were read.
      if (job.aborted) {
        await driver.close();
        throw job.reason;
      }
      const adapter = new AdapterHandle({
        driver,
        model: this,
        forget: (closing) => this.#pool.dropAdapter(closing),
        onClose: () => {
          forget();
        },
      });
      const forget = this.#lifetime.adopt(adapter);
      return adapter;
    });
  }

  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    const { signal, adapters: uses = [], ...rest } = checkEmbed(options, '');
    const adapters = adapterSet(uses);
    const checked = check.arrayOf(checkText)(texts, 'texts');
    requireAdaptersOf(this, adapters);
    return duringAll(this.#lifetime, adapters, signal, async (job) => {
      const driver = this.#driver;
      if (!this.#capabilities.embed || !driver.embed)
        throw unsupported(this.#engine, 'embed texts', 'embed');
      const told = { ...rest, ...adapterOption(adapters) };
      const embed = driver.embed.bind(driver);
      return this.#textJobs.run(() => embedTexts(driver, embed, checked, told, job));
    });
  }

  async rerank(
    query: string,
    documents: readonly string[],
    options: RerankOptions = {},
  ): Promise<RerankResult[]> {
    const {
      signal,
      topN = Infinity,
      truncate = 'error',
      onProgress,
      adapters: uses = [],
    } = checkRerank(options, '');
    const adapters = adapterSet(uses);
    requireAdaptersOf(this, adapters);
    checkText(query, 'query');
    const checked = check.arrayOf(checkText)(documents, 'documents');
    return duringAll(this.#lifetime, adapters, signal, async (job) => {
      if (!this.#capabilities.rerank || !this.#driver.rerank)
        throw unsupported(this.#engine, 'rerank documents', 'rerank');
      const rerank = this.#driver.rerank.bind(this.#driver);
      const told = { ...adapterOption(adapters), ...(onProgress && { onProgress }) };
      const scores = await this.#textJobs.run(() =>
        rerank(query, checked, { truncate, signal: job, ...told }),
      );
      return scores
        .map((score, index) => ({ index, score }))
        .sort((a, b) => b.score - a.score || a.index - b.index)
        .slice(0, topN);
    });
  }

  async adjust(levers: ModelLevers): Promise<void> {
    const checked = checkLevers(levers, '');
    await this.#lifetime.during(undefined, async () => {
      if (!this.#capabilities.adjust || !this.#driver.adjust)
        throw unsupported(this.#engine, 'adjust an open model', 'adjust');
      await this.#driver.adjust(checked);
    });
  }

  async trim(bytes: number): Promise<number> {
    check.integer({ min: 0 })(bytes, 'bytes');
    return this.#lifetime.during(undefined, async () => {
      if (!this.#capabilities.trim || !this.#driver.trim)
        throw unsupported(this.#engine, 'give back caches', 'trim');
      return this.#driver.trim(bytes);
    });
  }

  close(): Promise<void> {
    return this.#lifetime.close(async () => {
      try {
        await this.#pool.close();
      } finally {
        await this.#driver.close();
        this.#onClose();
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Checks generation options against the engine and against this model's vocabulary. */
  #settings(own: object): GenerationSettings {
    const settings = generationSettings(own, this.#capabilities, this.#engine, (tools, maxCalls) =>
      this.#encoder.forceCalls(tools, maxCalls),
    );
    requireAdaptersOf(this, settings.adapters);
    for (const { token } of settings.sampling.logitBias) {
      requireToken(token, this.tokenizer.vocabularySize, `logitBias[${token}]`);
    }
    // Engines add them as f32.
    const forbidden = settings.sampling.logitBias.filter(
      ({ bias }) => Math.fround(bias) === -Infinity,
    );
    if (forbidden.length === this.tokenizer.vocabularySize) {
      throw wrongValue(
        'logitBias',
        'forbids every token of this model; leave one that can be chosen',
      );
    }
    return settings;
  }

  /** Takes generation options apart, and checks that they go together. */
  #readGeneration(options: GenerateOptions): {
    readonly input: GenerationSource;
    readonly settings: GenerationSettings;
  } {
    const { own, ...input } = this.#readInput(options);
    const settings = this.#settings(own);
    if (!input.messages && settings.tools.length > 0) {
      throw wrongValue(
        'tools',
        'go into the prompt by the chat template: give "messages" with them',
      );
    }
    return { input, settings };
  }

  /** Takes the input apart from the generation options. */
  #readInput(options: GenerateOptions): GenerationSource & { readonly own: object } {
    const { messages, prompt, tokens, ...own } = checkGenerate(options, '') as CheckedGenerate;
    const given = [messages, prompt, tokens].filter((input) => input !== undefined).length;
    if (given !== 1) {
      throw wrongValue(
        'messages',
        `give exactly one of "messages", "prompt" and "tokens"; ${given} were given`,
      );
    }
    if (messages !== undefined) {
      return {
        messages,
        own,
        prompt: (settings, signal) => this.#encoder.encodeAsync(messages, settings, signal),
      };
    }
    return {
      messages,
      own,
      prompt: async (_settings, signal) => {
        const encoded = tokens ?? (await this.#encoder.encodeText(prompt ?? '', signal));
        if (encoded.length === 0) {
          throw wrongValue(
            tokens ? 'tokens' : 'prompt',
            'is empty, and this model needs at least one token to go on from',
          );
        }
        // What the vocabulary encoded itself is in it.
        for (const [index, token] of tokens?.entries() ?? []) {
          requireToken(token, this.tokenizer.vocabularySize, `tokens[${index}]`);
        }
        return { text: prompt ?? '', tokens: encoded, insideReasoning: false };
      },
    };
  }
}

/** What a generation goes on from. */
interface GenerationSource {
  readonly messages: readonly Message[] | undefined;
  readonly prompt: (settings: GenerationSettings, signal: AbortSignal) => Promise<EncodedPrompt>;
}

const checkSamples = check.integer({ min: 1 });

interface CheckedGenerate {
  readonly messages?: readonly Message[];
  readonly prompt?: string;
  readonly tokens?: readonly Token[];
}

const checkGenerate = check.optionsObject({
  ...generationChecks,
  messages: checkMessages,
  prompt: checkText,
  tokens: check.arrayOf(check.integer()),
});

const { signal: _signal, ...defaultsChecks } = generationChecks;

const conversationChecks = {
  defaults: check.optionsObject(defaultsChecks),
  contextPolicy: check.oneOf('error', 'shift'),
  keepMessages: check.integer({ min: 0 }),
} as const;

/** What new sessions and restored ones are told alike. */
interface ConversationOptions {
  readonly defaults?: object;
  readonly contextPolicy?: 'error' | 'shift';
  readonly keepMessages?: number;
}

const checkSession = check.optionsObject({
  ...conversationChecks,
  system: checkText,
  messages: check.arrayOf(checkMessage),
});

const checkRestore = check.optionsObject({
  ...conversationChecks,
  signal: check.abortSignal,
  onProgress: check.callback<(share: number) => void>(),
});

const checkToolsOnly = check.optionsObject({ tools: checkTools });

const checkLoadAdapter = check.optionsObject({
  signal: check.abortSignal,
  onProgress: check.callback<(share: number) => void>(),
});

const checkRerank = check.optionsObject({
  adapters: checkAdapters,
  topN: check.integer({ min: 1 }),
  truncate: check.oneOf('error', 'end'),
  signal: check.abortSignal,
  onProgress: check.callback<(share: number) => void>(),
});

const checkLevers = check.optionsObject({
  threads: check.integer({ min: 1 }),
  batchTokens: check.integer({ min: 1 }),
});

/** A turn's own options over the session's defaults; one that is `undefined` was not given. */
function joined(defaults: object | undefined, own: object): object {
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  // One form of an answer takes the place of another.
  const replaces = given.some(([key]) => isForm(key));
  const kept = Object.entries(defaults ?? {}).filter(([key]) => !(replaces && isForm(key)));
  return Object.fromEntries([...kept, ...given]);
}

function isForm(key: string): boolean {
  return (answerForms as readonly string[]).includes(key);
}
