import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Placement } from '../engine/device.js';
import type {
  AdapterDriver,
  DriverAdapterOptions,
  DriverEmbedOptions,
  DriverOpenOptions,
  DriverRerankOptions,
  GenerateSpec,
  ModelDriver,
  ModelInfo,
  SequenceDriver,
  TokenLogprobs,
} from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { greedy, type ResolvedSampling } from '../engine/sampling.js';
import type { KvLineage } from '../kv/kv-snapshot.js';
import type { ModelFiles } from '../store/model-files.js';
import { FakeAdapters, loadFakeAdapter } from './fake-adapter.js';
import type { FakeCache, FakeKvForm } from './fake-cache.js';
import type { FakeFault } from './fake-faults.js';
import type { FakeGrammar } from './fake-grammar.js';
import { choose, type FakeCandidate, rank } from './fake-sampler.js';
import { FakeSequence } from './fake-sequence.js';
import { FakeTokenizer } from './fake-tokenizer.js';

/** What may follow some tokens in a fake model: one token, or several with their logits. */
export type FakeReply = (tokens: readonly Token[]) => Token | readonly FakeCandidate[];

/** What a {@link FakeModel} is made of. */
export interface FakeModelOptions {
  readonly engine: string;
  readonly reply: FakeReply;
  readonly fault: FakeFault | undefined;
  readonly capabilities: EngineCapabilities;
  readonly info: ModelInfo;
  readonly kv: FakeKvForm;
  readonly lineage: KvLineage;
  readonly prefillChunkTokens: number;
  readonly rounding: number;
}

/** Logit of tokens that a reply does not name. */
const unlikely = -20;

/** Sampling that changes no probability. */
const plainSampling: ResolvedSampling = { ...greedy, temperature: 1 };

/** A model of the fake engine. */
export class FakeModel implements ModelDriver {
  readonly tokenizer: FakeTokenizer;
  readonly contextTokens: number;
  readonly kvPoolTokens: number;
  readonly fault: FakeFault | undefined;
  readonly capabilities: EngineCapabilities;
  readonly info: ModelInfo;
  readonly kv: FakeKvForm;
  readonly prefillChunkTokens: number;
  readonly #fake: FakeModelOptions;
  readonly #sequences = new Set<FakeSequence>();
  readonly #maxSequences: number;
  /** Caches that are worked on now. */
  readonly #working: FakeCache[] = [];
  #closed = false;
  #lineages = 0;

  constructor(options: DriverOpenOptions, fake: FakeModelOptions) {
    this.contextTokens = options.contextTokens;
    this.kvPoolTokens = options.contextTokens;
    this.fault = fake.fault;
    this.capabilities = fake.capabilities;
    this.info = fake.info;
    this.kv = fake.kv;
    this.prefillChunkTokens = fake.prefillChunkTokens;
    this.#fake = fake;
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
      engine: this.#fake.engine,
      engineVersion: '1.0.0',
      library: 'fake 1',
      layersByDevice: { cpu: this.fault === 'placement-loses-layers' ? 0 : 1 },
      threads: 1,
      modelSha256: undefined,
      keyType: this.kv.dtype,
      valueType: this.kv.dtype,
    };
  }

  async lineage(signal?: AbortSignal): Promise<KvLineage> {
    this.#requireOpen();
    await this.tick();
    signal?.throwIfAborted();
    const { lineage } = this.#fake;
    if (this.fault !== 'lineage-changes') return lineage;
    return { ...lineage, sourceSha256: String(++this.#lineages).padStart(64, '0') };
  }

  async loadAdapter(files: ModelFiles, options: DriverAdapterOptions): Promise<AdapterDriver> {
    this.#requireOpen();
    return loadFakeAdapter(this, files, options);
  }

  async embed(
    texts: readonly (readonly Token[])[],
    { pooling, signal, onProgress, adapters: uses }: DriverEmbedOptions,
  ): Promise<Float32Array[]> {
    this.#requireOpen();
    const adapters = new FakeAdapters(this, uses);
    const seed = this.fault === 'embed-ignores-adapters' ? 0 : adapters.seed;
    const longest = Math.max(0, ...texts.map((text) => text.length));
    if (longest > this.contextTokens && this.fault !== 'embed-takes-long-texts') {
      throw new MobillmError('CONTEXT_FULL', 'A text is longer than the context.');
    }
    const vectors: Float32Array[] = [];
    for (const [index, text] of texts.entries()) {
      await this.tick();
      if (this.fault !== 'embed-ignores-abort') signal?.throwIfAborted();
      this.#requireOpen();
      adapters.requireOpen();
      const step = this.fault === 'embed-mixes-texts' ? texts.flat() : text;
      const pooled = this.fault === 'embed-ignores-pooling' ? 'mean' : pooling;
      vectors.push(fakeVector(step, pooled, seed));
      const share = (index + 1) / texts.length;
      onProgress?.(this.fault === 'embed-progress-falls' ? 1 - share / 2 : share);
    }
    if (this.fault === 'embed-changes-order') vectors.reverse();
    if (this.fault === 'embed-loses-length') return vectors.map((vector) => vector.subarray(1));
    return vectors;
  }

  async rerank(
    query: string,
    documents: readonly string[],
    { truncate, signal, onProgress }: DriverRerankOptions,
  ): Promise<number[]> {
    this.#requireOpen();
    const scores: number[] = [];
    for (const [documentIndex, document] of documents.entries()) {
      await this.tick();
      if (this.fault !== 'rerank-ignores-abort') signal?.throwIfAborted();
      const [head, body] = [query, document].map((text) => this.tokenizer.encode(text));
      const room = this.contextTokens - (head?.length ?? 0);
      const promptTokens = (head?.length ?? 0) + (body?.length ?? 0);
      if (promptTokens > this.contextTokens && (truncate === 'error' || room < 1)) {
        throw new MobillmError('CONTEXT_FULL', 'A document does not fit beside the query.', {
          details: { documentIndex, promptTokens, contextTokens: this.contextTokens },
        });
      }
      const seen = this.fault === 'rerank-forgets-query' ? [] : (head ?? []);
      scores.push(fakeVector([...seen, ...(body ?? []).slice(0, room)], 'last')[0] ?? 0);
      onProgress?.((documentIndex + 1) / documents.length);
    }
    return this.fault === 'rerank-changes-order' ? scores.reverse() : scores;
  }

  async createSequence(): Promise<SequenceDriver> {
    this.#requireOpen();
    await this.tick();
    return this.adopt(new FakeSequence(this));
  }

  /** Tokens that all sequences together can still take. */
  get freePoolTokens(): number {
    // What a copy has in common with another sequence lies in the pool once.
    const held = new Set([...this.#sequences].flatMap((sequence) => [...sequence.places]));
    return this.kvPoolTokens - held.size;
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
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Begins work on a sequence's cache and returns the cache to work on. */
  begin(own: FakeCache): FakeCache {
    const [other] = this.#working;
    this.#working.push(own);
    return this.fault === 'sequences-mix' && other ? other : own;
  }

  /** The caches that others work on. */
  workingBeside(own: FakeCache): FakeCache[] {
    return this.#working.filter((cache) => cache !== own);
  }

  /** Ends work on a sequence's cache. */
  end(own: FakeCache): void {
    this.#working.splice(this.#working.indexOf(own), 1);
  }

  /**
   * Logits of what follows a cache, one a token of the vocabulary.
   *
   * @param stepTokens tokens of the step that they come from: rounding depends on it.
   */
  logits(cache: FakeCache, stepTokens: number): Float32Array {
    const reply = this.#fake.reply(cache.read());
    // Where a reply is scripted, its one token goes before all others.
    const candidates =
      typeof reply === 'number'
        ? [
            { token: reply, logit: 1000 },
            { token: (reply + 1) % 256, logit: 0 },
          ]
        : reply;
    const row = new Float32Array(this.tokenizer.vocabularySize).fill(unlikely);
    const seed =
      this.fault === 'adapters-mix'
        ? Math.max(cache.adapterSeed, ...this.#working.map(({ adapterSeed }) => adapterSeed))
        : cache.adapterSeed;
    for (const { token: said, logit } of candidates) {
      const token = adapted(said, seed);
      row[token] = logit + this.#fake.rounding * Math.sin(stepTokens * 7 + token);
    }
    return row;
  }

  /** The token that follows, given its logits; chosen anew where the grammar refuses it. */
  next(
    row: Float32Array,
    cache: FakeCache,
    spec: GenerateSpec,
    grammar: FakeGrammar | undefined,
  ): Token {
    const { fault } = this;
    const candidates = candidatesOf(row, spec.sampling);
    let token = choose(candidates, spec.sampling, cache.tokens, fault);
    if (grammar && !grammar.allows(token)) {
      if (fault !== 'counts-no-rejections') grammar.rejectedTokens++;
      const allowed = Array.from(row, (logit, other) => ({ token: other, logit })).filter(
        (candidate) => grammar.allows(candidate.token),
      );
      const [best] = rank(allowed, spec.sampling, cache.tokens, fault);
      if ((best?.logit ?? -Infinity) > -Infinity) {
        token = choose(allowed, spec.sampling, cache.tokens, fault);
      } else if (fault !== 'passes-over-dead-ends') {
        throw new MobillmError('GRAMMAR_DEAD_END', 'No token can follow here by the grammar.');
      }
    }
    grammar?.accept(token);
    return token;
  }

  /** Log-probabilities of a token that was sampled from a row of logits, before bias and penalties. */
  logprobs(row: Float32Array, token: Token, alternatives: number): TokenLogprobs {
    const reported = this.fault === 'logprobs-misaligned' ? (token + 1) % 256 : token;
    const ranked = rank(candidatesOf(row, plainSampling), plainSampling, [], undefined);
    const top = ranked.map((item) => ({ token: item.token, logprob: Math.log(item.probability) }));
    const own = top.find((item) => item.token === token);
    return { token: reported, logprob: own?.logprob ?? -Infinity, top: top.slice(0, alternatives) };
  }

  #requireOpen(): void {
    if (!this.#closed || this.fault === 'works-after-close') return;
    throw new MobillmError('CLOSED', 'This model is closed. Open a new one to go on.');
  }
}

/** What is said for a token with adapters: another letter for a letter. */
function adapted(token: Token, seed: number): Token {
  if (token < 97 || token > 122) return token;
  return 97 + ((((token - 97 + seed) % 26) + 26) % 26);
}

/** Numbers of a fake text's vector. */
export const fakeEmbeddingLength = 8;

/** A vector that depends on a text's tokens and their places; each token's on those before it. */
function fakeVector(
  tokens: readonly Token[],
  pooling: DriverEmbedOptions['pooling'],
  seed = 0,
): Float32Array {
  let hash = 0x811c9dc5 ^ seed;
  const rows = tokens.map((token) => {
    hash = Math.imul(hash ^ token, 0x01000193);
    return Float32Array.from({ length: fakeEmbeddingLength }, (_, k) => Math.sin(hash * (k + 1)));
  });
  const [first, last] = [rows[0], rows.at(-1)];
  if (pooling === 'cls' && first) return first;
  if (pooling === 'last' && last) return last;
  return new Float32Array(fakeEmbeddingLength).map(
    (_, k) => rows.reduce((sum, row) => sum + (row[k] ?? 0), 0) / rows.length,
  );
}

/** Tokens that a reply named, and those that are wanted by a bias. */
function candidatesOf(row: Float32Array, { logitBias }: ResolvedSampling): FakeCandidate[] {
  const lifted = new Set(logitBias.filter(({ bias }) => bias > 0).map(({ token }) => token));
  const candidates: FakeCandidate[] = [];
  for (const [token, logit] of row.entries()) {
    if (logit > unlikely || lifted.has(token)) candidates.push({ token, logit });
  }
  return candidates;
}
