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
import type { ResolvedSampling } from '../engine/sampling.js';
import { greedy } from './engine/driving.js';
import type { FakeFault } from './fake-faults.js';
import { choose, type FakeCandidate, rank } from './fake-sampler.js';
import { FakeSequence } from './fake-sequence.js';
import { FakeTokenizer } from './fake-tokenizer.js';

/** What may follow some tokens in a fake model: one token, or several with their logits. */
export type FakeReply = (tokens: readonly Token[]) => Token | readonly FakeCandidate[];

/** Sampling that changes no probability. */
const plainSampling: ResolvedSampling = { ...greedy, temperature: 1 };

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
  /** Caches that are worked on now. */
  readonly #working: Token[][] = [];
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

  /** Begins work on a sequence's cache and returns the cache to work on. */
  begin(own: Token[]): Token[] {
    const [other] = this.#working;
    this.#working.push(own);
    return this.fault === 'sequences-mix' && other ? other : own;
  }

  /** Ends work on a sequence's cache. */
  end(own: Token[]): void {
    this.#working.splice(this.#working.indexOf(own), 1);
  }

  /** The token that follows. */
  next(cache: readonly Token[], spec: GenerateSpec): Token {
    return choose(this.#candidates(cache), spec.sampling, cache, this.fault);
  }

  /** Log-probabilities of a token that was sampled after a cache, before bias and penalties. */
  logprobs(cache: readonly Token[], token: Token, alternatives: number): TokenLogprobs {
    const reported = this.fault === 'logprobs-misaligned' ? (token + 1) % 256 : token;
    const ranked = rank(this.#candidates(cache), plainSampling, cache, undefined);
    const top = ranked.map((item) => ({ token: item.token, logprob: Math.log(item.probability) }));
    const own = top.find((item) => item.token === token);
    return { token: reported, logprob: own?.logprob ?? -Infinity, top: top.slice(0, alternatives) };
  }

  /** Several letters; or, where a reply is scripted, that token before all others. */
  #candidates(cache: readonly Token[]): readonly FakeCandidate[] {
    const reply = this.#reply(cache);
    if (typeof reply !== 'number') return reply;
    return [
      { token: reply, logit: 1000 },
      { token: (reply + 1) % 256, logit: 0 },
    ];
  }

  #requireOpen(): void {
    if (!this.#closed || this.fault === 'works-after-close') return;
    throw new MobillmError('CLOSED', 'This model is closed. Open a new one to go on.');
  }
}
