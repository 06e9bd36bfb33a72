import { checkMessage } from '../chat/check-messages.js';
import type { ConversationEncoder, KnownBeginning } from '../chat/conversation-encoder.js';
import type { Message } from '../chat/message.js';
import type { ModelDriver } from '../engine/driver.js';
import type { GenerationOptions, Session } from '../engine/engine.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { GenerationRun } from '../stream/generation-run.js';
import type { CachedSequence } from './cached-sequence.js';
import type { GenerationSettings } from './generation-request.js';
import { Lifetime } from './lifetime.js';
import type { SequencePool } from './sequence-pool.js';
import { startRun } from './start-run.js';

/** What a {@link SessionHandle} is made of. */
export interface SessionHandleOptions {
  readonly model: ModelDriver;
  readonly pool: SequencePool;
  readonly encoder: ConversationEncoder;
  readonly messages: readonly Message[];
  /** Joins a turn's own options with the session's defaults and checks them. */
  readonly settings: (own: GenerationOptions) => GenerationSettings;
  readonly sequence: CachedSequence;
  readonly onClose: () => void;
}

/** {@link Session} over a driver's sequence. */
export class SessionHandle implements Session {
  readonly #options: SessionHandleOptions;
  readonly #sequence: CachedSequence;
  readonly #lifetime = new Lifetime('session');
  readonly #head: readonly Message[];
  #messages: readonly Message[];
  /** Text and tokens that the cache stands for after the last turn. */
  #known: KnownBeginning | undefined;
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
    return this.#sequence.tokenCount;
  }

  send(message: string | Message, options: GenerationOptions = {}): GenerationRun {
    this.#lifetime.requireOpen();
    const said =
      typeof message === 'string'
        ? ({ role: 'user', content: message } as const)
        : checkMessage(message, 'message');
    const { model, encoder, pool } = this.#options;
    let conversation: readonly Message[] = [];
    return startRun({
      model,
      pool,
      lifetime: this.#lifetime,
      settings: this.#options.settings(options),
      dropsLeadingSpace: encoder.addsSpace,
      prompt: () => {
        conversation = [...this.#messages, said];
        return encoder.encode(conversation, this.#known);
      },
      acquire: async (_prompt, signal) => {
        await this.#begin(signal);
        return this.#sequence;
      },
      release: () => {
        this.#end();
      },
      onTranscript: (text, tokens) => {
        this.#known = { text, tokens };
      },
      onEnd: (outcome, record) => {
        // Nothing was said if no token came; an aborted answer stays as far as it got.
        if (outcome === 'failed' || record.tokens.length === 0) return;
        // Left while it was still thinking: an empty answer would only puzzle the template.
        if (record.stopReason === 'aborted' && record.text === '') return;
        this.#messages = [...conversation, { role: 'assistant', content: record.text }];
      },
    });
  }

  async reset(): Promise<void> {
    await this.#lifetime.during(undefined, async (signal) => {
      await this.#begin(signal);
      try {
        await this.#sequence.truncate(0);
        this.#messages = this.#head;
        this.#known = undefined;
      } finally {
        this.#end();
      }
    });
  }

  close(): Promise<void> {
    if (!this.#lifetime.closed) this.#options.pool.leave(this.#sequence);
    return this.#lifetime.close(async () => {
      this.#options.onClose();
      await this.#options.pool.free(this.#sequence);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
