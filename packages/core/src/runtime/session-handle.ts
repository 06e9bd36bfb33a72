import { checkMessage, checkMessages } from '../chat/check-messages.js';
import type {
  ConversationEncoder,
  EncodedPrompt,
  KnownBeginning,
} from '../chat/conversation-encoder.js';
import { fitConversation, withoutDropped } from '../chat/fit-conversation.js';
import type { Message } from '../chat/message.js';
import { usedCallIds } from '../chat/tools/used-call-ids.js';
import type { WrittenTurn } from '../chat/tools/written-turns.js';
import type { EngineCapabilities } from '../engine/capabilities.js';
import type { ModelDriver } from '../engine/driver.js';
import type { Session } from '../engine/engine.js';
import type { GenerationOptions } from '../engine/generation-options.js';
import type {
  RestoredCache,
  SavedSessionReport,
  SaveSessionOptions,
} from '../engine/session-options.js';
import { prefillSpec } from '../engine/prefill-spec.js';
import { abortSignal, callback, optionsObject } from '../errors/check-options.js';
import type { ErrorCode } from '../errors/error-code.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvSnapshot } from '../kv/kv-snapshot.js';
import { checkFilePath, type SavedSession, writeSessionFile } from '../session/session-file.js';
import type { GenerationRun } from '../stream/generation-run.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { CachedSequence } from './cached-sequence.js';
import { type GenerationSettings, unsupported } from './generation-request.js';
import { Lifetime } from './lifetime.js';
import type { SequencePool } from './sequence-pool.js';
import { startRun } from './start-run.js';

/** What a {@link SessionHandle} is made of. */
export interface SessionHandleOptions {
  readonly model: ModelDriver;
  readonly engine: string;
  readonly capabilities: EngineCapabilities;
  readonly pool: SequencePool;
  readonly encoder: ConversationEncoder;
  readonly messages: readonly Message[];
  /** Messages that always stay where the oldest may be dropped; absent where none may. */
  readonly keepMessages: number | undefined;
  /** Joins a turn's own options with the session's defaults and checks them. */
  readonly settings: (own: GenerationOptions) => GenerationSettings;
  readonly sequence: CachedSequence;
  readonly onClose: () => void;
}

/** Checks what is said: a text of the user, a message, or several. */
function checkSaid(message: string | Message | readonly Message[]): readonly Message[] {
  if (typeof message === 'string') return [{ role: 'user', content: message }];
  return Array.isArray(message)
    ? checkMessages(message, 'message')
    : [checkMessage(message, 'message')];
}

const checkSave = optionsObject({
  signal: abortSignal,
  onProgress: callback<(share: number) => void>(),
});

/** What may be wrong with a saved cache: the conversation can be computed again. */
const usableWithout: ReadonlySet<ErrorCode> = new Set([
  'CONTEXT_FULL',
  'KV_MISMATCH',
  'NATIVE_FAILURE',
  'UNSUPPORTED',
]);

function cannot(engine: string, what: string, capability: string): MobillmError {
  return unsupported(engine, `${what} the cache of a session`, capability);
}

function shifted(): MobillmError {
  return new MobillmError(
    'UNSUPPORTED',
    'The oldest messages were taken out of this cache, and what is left was computed with them: it fits no other conversation.',
  );
}

/** How long a prompt may be. */
interface PromptRoom {
  /** Tokens that it may have, if messages may be dropped for that. */
  readonly maxTokens: number;
  /** Tokens beyond which it is refused; the context by default. */
  readonly longest?: number;
  readonly signal: AbortSignal;
}

/** {@link Session} over a driver's sequence. */
export class SessionHandle implements Session {
  readonly #options: SessionHandleOptions;
  readonly #sequence: CachedSequence;
  readonly #lifetime = new Lifetime('session');
  readonly #head: readonly Message[];
  #messages: readonly Message[];
  /** What the model wrote for messages with calls. */
  readonly #written = new WeakMap<Message, WrittenTurn>();
  /** Text and tokens that the cache stands for after the last turn. */
  #known: KnownBeginning | undefined;
  #restored: RestoredCache | undefined;
  /** Messages after those that always stay that no longer fit. */
  #dropped = 0;
  #busy = false;

  constructor(options: SessionHandleOptions) {
    this.#options = options;
    this.#sequence = options.sequence;
    this.#messages = [...options.messages];
    this.#head = options.messages.filter((message) => message.role === 'system').slice(0, 1);
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get tokenCount(): number {
    return this.#sequence.ownTokens;
  }

  send(
    message: string | Message | readonly Message[],
    options: GenerationOptions = {},
  ): GenerationRun {
    this.#lifetime.requireOpen();
    const said = checkSaid(message);
    const { model, encoder, pool } = this.#options;
    const settings = this.#options.settings(options);
    let conversation: readonly Message[] = [];
    let written = '';
    return startRun({
      model,
      pool,
      lifetime: this.#lifetime,
      settings,
      dropsLeadingSpace: encoder.addsSpace,
      calls: () => ({ format: encoder.callFormat, usedIds: usedCallIds(conversation) }),
      ...(this.#options.keepMessages !== undefined && {
        shift: (answerTokens, job) =>
          this.#shift(conversation, settings, { answerTokens, signal: job }),
      }),
      acquire: async (signal) => {
        await this.#begin(signal);
        try {
          conversation = [...this.#messages, ...said];
          // An answer that may be long gets a quarter of the context, and finds more as it grows.
          const answer = Math.min(settings.maxTokens, Math.floor(model.contextTokens / 4));
          const maxTokens = model.contextTokens - answer;
          const prompt = await this.#encode(conversation, settings, { maxTokens, signal });
          return { prompt, sequence: this.#sequence };
        } catch (error) {
          this.#end();
          throw error;
        }
      },
      release: () => {
        this.#end();
      },
      onTranscript: (text, tokens, answer) => {
        this.#known = { text, tokens };
        written = answer;
      },
      onEnd: (outcome, record) => {
        // Nothing was said if no token came; an aborted answer stays as far as it got.
        if (outcome === 'failed' || record.tokens.length === 0) return;
        // Left while it was still thinking: an empty answer would only puzzle the template.
        const { text, toolCalls } = record;
        if (record.stopReason === 'aborted' && text === '' && toolCalls.length === 0) return;
        const answer: Message =
          toolCalls.length === 0
            ? { role: 'assistant', content: text }
            : // What stands between the text and the calls is for the template to write.
              { role: 'assistant', content: text.trimEnd(), toolCalls: [...toolCalls] };
        this.#messages = [...conversation, answer];
        if (toolCalls.length > 0) {
          this.#written.set(answer, { text: written, reasons: record.reasoning !== '' });
        }
      },
    });
  }

  get restored(): RestoredCache | undefined {
    return this.#restored;
  }

  async save(path: string, options: SaveSessionOptions = {}): Promise<SavedSessionReport> {
    const file = checkFilePath(path, 'path');
    const { signal, onProgress } = checkSave(options, '');
    return this.#alone(signal, async (job) => {
      const { cache, reason } = await this.#exported(job);
      const bytes = await writeSessionFile(
        file,
        {
          messages: this.#messages,
          known: this.#known && { ...this.#known, pieces: this.#spelled(this.#known.tokens) },
          window: { keepMessages: this.#options.keepMessages, dropped: this.#dropped },
          ...(cache && { cache }),
        },
        { signal: job, onProgress },
      );
      return { bytes, cachedTokens: cache?.tokens.length ?? 0, ...(reason && { reason }) };
    });
  }

  /** Takes over what a file held of a session with these messages; to be called once, at first. */
  async restore({ known, window, cache }: SavedSession, signal: AbortSignal): Promise<void> {
    const size = this.#options.model.tokenizer.vocabularySize;
    // Another vocabulary has other tokens of these numbers.
    if (known?.tokens.every((token) => token < size)) {
      if (this.#spelled(known.tokens) === known.pieces) this.#known = known;
    }
    if (this.#options.keepMessages !== undefined) this.#dropped = window.dropped;
    this.#restored = await this.#alone(signal, async (job) => {
      if (cache === undefined) return { cachedTokens: 0 };
      if (MobillmError.is(cache)) return { cachedTokens: 0, reason: cache };
      const { capabilities, engine } = this.#options;
      if (!capabilities.importKv) {
        return { cachedTokens: 0, reason: cannot(engine, 'import', 'importKv') };
      }
      try {
        const { adapters } = this.#options.settings({});
        const { snapshot, sha256 } = cache;
        const wanted = { adapters, imports: sha256 };
        await this.#options.pool.prepare(this.#sequence, snapshot.tokens, 0, job, wanted);
        await this.#sequence.import(snapshot, sha256, job);
        return { cachedTokens: this.#sequence.tokenCount };
      } catch (error) {
        if (!MobillmError.is(error) || !usableWithout.has(error.code)) throw error;
        return { cachedTokens: this.#sequence.tokenCount, reason: error };
      }
    });
  }

  async reset(): Promise<void> {
    await this.#alone(undefined, async () => {
      await this.#sequence.truncate(0);
      this.#messages = this.#head;
      this.#known = undefined;
      this.#dropped = 0;
    });
  }

  close(): Promise<void> {
    if (!this.#lifetime.closed) this.#options.pool.leave(this.#sequence);
    return this.#lifetime.close(async () => {
      this.#options.onClose();
      await this.#options.pool.park(this.#sequence);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Encodes a conversation to at most so many tokens, if messages may be dropped for that. */
  async #encode(
    conversation: readonly Message[],
    settings: GenerationSettings,
    { maxTokens, longest = this.#options.model.contextTokens, signal }: PromptRoom,
  ): Promise<EncodedPrompt> {
    const { encoder, keepMessages } = this.#options;
    const { tools, forced } = settings;
    const told = { known: this.#known, tools, forced, written: this.#written };
    const encode = (messages: readonly Message[]) => encoder.encodeAsync(messages, told, signal);
    if (keepMessages === undefined) return encode(conversation);
    const dropped = this.#dropped;
    const fitting = { encode, keepMessages, dropped, maxTokens };
    const prompt = await fitConversation(conversation, fitting);
    // A message that is too long by itself is refused, and the others have to stay for the next one.
    if (prompt.tokens.length > longest) return prompt;
    this.#dropped = prompt.droppedMessages;
    return { ...prompt, drops: prompt.droppedMessages > dropped };
  }

  /** A shorter prompt for an answer that has filled the context. */
  async #shift(
    conversation: readonly Message[],
    settings: GenerationSettings,
    { answerTokens, signal }: { readonly answerTokens: number; readonly signal: AbortSignal },
  ): Promise<EncodedPrompt | undefined> {
    const room = Math.max(0, this.#options.model.contextTokens - answerTokens - 1);
    const prompt = await this.#encode(conversation, settings, {
      maxTokens: room,
      longest: room,
      signal,
    });
    return prompt.drops ? prompt : undefined;
  }

  /** Computes what the messages begin with, where nothing is cached yet. */
  async #computeBeginning(signal: AbortSignal): Promise<void> {
    if (this.#sequence.ownTokens > 0 || this.#messages.length === 0) return;
    const { encoder, model, keepMessages = 0 } = this.#options;
    const messages = withoutDropped(this.#messages, keepMessages, this.#dropped);
    const { tools, adapters } = this.#options.settings({});
    const tokens = encoder.beginning(messages, tools);
    // What the next turn will have to leave out is not known yet.
    if (tokens.length === 0 || tokens.length > model.contextTokens) return;
    const cached = await this.#options.pool.prepare(this.#sequence, tokens, 0, signal, {
      adapters,
    });
    const spec = prefillSpec(1, { keepLogits: false });
    const run = this.#sequence.generate(tokens.slice(cached), spec, signal);
    while (!(await run.next()).done);
  }

  /** What tokens stand for, which another vocabulary spells otherwise. */
  #spelled(tokens: readonly Token[]): string {
    return this.#options.model.tokenizer.decode(tokens, { showSpecial: true });
  }

  /** The cache, or why there is none to be had. What it begins with is computed first. */
  async #exported(
    signal: AbortSignal,
  ): Promise<{ readonly cache?: KvSnapshot; readonly reason?: MobillmError }> {
    const { capabilities, engine } = this.#options;
    if (!capabilities.exportKv) return { reason: cannot(engine, 'export', 'exportKv') };
    try {
      await this.#computeBeginning(signal);
    } catch (error) {
      // `CLOSED`: an adapter among the defaults was closed.
      const codes = ['TEMPLATE_FAILED', 'UNSUPPORTED', 'CLOSED'] as const;
      if (signal.aborted || !codes.some((code) => MobillmError.is(error, code))) throw error;
      return { reason: error as MobillmError };
    }
    if (this.#sequence.ownTokens === 0) return {};
    if (this.#sequence.exactTokens < this.#sequence.tokenCount) return { reason: shifted() };
    try {
      return { cache: await this.#sequence.export(signal) };
    } catch (error) {
      if (MobillmError.is(error, 'UNSUPPORTED')) return { reason: error };
      throw error;
    }
  }

  /** Works on the sequence while nobody else does. */
  #alone<T>(
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#lifetime.during(signal, async (job) => {
      await this.#begin(job);
      try {
        return await work(job);
      } finally {
        this.#end();
      }
    });
  }

  async #begin(signal: AbortSignal): Promise<void> {
    if (this.#busy) {
      throw new MobillmError(
        'BUSY',
        'This session is answering already. Wait for its run to end, abort it, or open a second session.',
        { retryable: true },
      );
    }
    this.#busy = true;
    try {
      await this.#options.pool.wake(this.#sequence, signal);
    } catch (error) {
      this.#busy = false;
      throw error;
    }
  }

  #end(): void {
    this.#options.pool.rest(this.#sequence);
    this.#busy = false;
  }
}
