import type { Placement } from '../engine/device.js';
import type {
  DriverOpenOptions,
  GenerateSpec,
  ModelDriver,
  ModelInfo,
  SequenceDriver,
  TokenLogprobs,
} from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { FakeFault } from './fake-faults.js';
import { FakeSequence } from './fake-sequence.js';
import { FakeTokenizer } from './fake-tokenizer.js';

/** Chooses the token that follows some tokens, in a fake model. */
export type FakeReply = (tokens: readonly Token[], seed: number) => Token;

/** A model of the fake engine. */
export class FakeModel implements ModelDriver {
  readonly tokenizer: FakeTokenizer;
  readonly contextTokens: number;
  readonly kvPoolTokens: number;
  readonly fault: FakeFault | undefined;
  readonly truncate: 'exact' | 'all-or-nothing';
  readonly info: ModelInfo;
  readonly #reply: FakeReply;
  readonly #sequences = new Set<FakeSequence>();
  readonly #maxSequences: number;
  readonly #sharedCache: Token[] = [];
  #closed = false;

  constructor(
    options: DriverOpenOptions,
    fake: {
      readonly reply: FakeReply;
      readonly fault: FakeFault | undefined;
      readonly truncate: 'exact' | 'all-or-nothing';
      readonly info: ModelInfo;
    },
  ) {
    this.contextTokens = options.contextTokens;
    this.kvPoolTokens = options.contextTokens;
    this.fault = fake.fault;
    this.truncate = fake.truncate;
    this.info = fake.info;
    this.#reply = fake.reply;
    this.#maxSequences = options.sequences;
    this.tokenizer = new FakeTokenizer({
      ...(fake.fault ? { fault: fake.fault } : {}),
      requireOpen: () => {
        this.#requireOpen();
      },
    });
  }

  placement(): Placement {
    return {
      engine: 'fake',
      engineVersion: '1.0.0',
      library: 'fake 1',
      layersByDevice: { cpu: this.fault === 'placement-loses-layers' ? 0 : 1 },
      threads: 1,
      modelSha256: undefined,
      keyType: 'f32',
      valueType: 'f32',
    };
  }

  async createSequence(): Promise<SequenceDriver> {
    this.#requireOpen();
    await this.tick();
    return this.adopt(new FakeSequence(this));
  }

  /** Tokens that all sequences together can still take. */
  get freePoolTokens(): number {
    let held = 0;
    for (const sequence of this.#sequences) held += sequence.tokenCount;
    return this.kvPoolTokens - held;
  }

  /** Counts a sequence as open. */
  adopt(sequence: FakeSequence): FakeSequence {
    if (this.#sequences.size >= this.#maxSequences && this.fault !== 'unlimited-sequences') {
      throw new MobillmError('BUSY', `All ${this.#maxSequences} sequences are in use.`, {
        retryable: true,
      });
    }
    this.#sequences.add(sequence);
    return sequence;
  }

  /** Counts it as closed. */
  forget(sequence: FakeSequence): void {
    this.#sequences.delete(sequence);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#sequences].map((sequence) => sequence.close()));
  }

  /** Lets everything else run, as a step on another thread would. */
  tick(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 0));
  }

  /** The cache that a sequence works on. */
  cacheOf(own: Token[]): Token[] {
    return this.fault === 'sequences-share-cache' ? this.#sharedCache : own;
  }

  /** The token that follows. */
  next(cache: readonly Token[], spec: GenerateSpec): Token {
    const { temperature, seed, logitBias } = spec.sampling;
    const random = this.fault === 'ignores-seed' ? Math.floor(Math.random() * 2 ** 32) : seed;
    const token = this.#reply(cache, temperature === 0 ? 0 : random);
    const forbidden = logitBias.some((item) => item.token === token && item.bias === -Infinity);
    if (!forbidden || this.fault === 'ignores-logit-bias') return token;
    return (token + 1) % 256;
  }

  /** Log-probabilities that fit the token: it has half the probability, its neighbours the rest. */
  logprobs(token: Token, alternatives: number): TokenLogprobs {
    const reported = this.fault === 'logprobs-misaligned' ? (token + 1) % 256 : token;
    return {
      token: reported,
      logprob: Math.log(0.5),
      top: Array.from({ length: alternatives }, (_, index) => ({
        token: (token + index) % this.tokenizer.vocabularySize,
        logprob: Math.log(0.5 ** (index + 1)),
      })),
    };
  }

  #requireOpen(): void {
    if (!this.#closed || this.fault === 'works-after-close') return;
    throw new MobillmError('CLOSED', 'This model is closed. Open a new one to go on.');
  }
}
