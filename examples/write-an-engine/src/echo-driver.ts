import { stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import {
  type EngineCapabilities,
  type EngineDriver,
  type GenerateSpec,
  MobillmError,
  type ModelDriver,
  type SequenceDriver,
  type Token,
  type TokenBatch,
} from '@mobillm/core';
import { createEchoTokenizer, turnEnd } from './echo-tokenizer.js';

/** What an echo can do: greedy decoding alone. What is not declared here is never called. */
const capabilities: EngineCapabilities = {
  formats: ['echo'],
  maxSequences: 4,
  truncate: 'exact',
  sampling: [],
  logprobs: false,
  grammar: false,
  speculation: false,
  copySequence: false,
  adapters: false,
  removeTokens: false,
  exportKv: false,
  importKv: false,
  embed: false,
  rerank: false,
  adjust: false,
  trim: false,
  estimate: false,
};

const info = { architecture: 'echo', trainedContextTokens: 4096, name: 'Echo', parameterCount: 1 };
const chatTemplate = '{% for message in messages %}{{ message.content }}<|turn_end|>{% endfor %}';

/** Tokens of one prefill step, after which an abort is heard. */
const stepTokens = 32;

/** A made-up back end: its models are files of any kind, and answer with what was said to them. */
export function createEchoDriver(): EngineDriver {
  const sizeOf = async (path = ''): Promise<number> => {
    const file = await stat(path).catch(() => undefined);
    if (file?.isFile()) return file.size;
    const reason = `There is no file "${path}". Check the path.`;
    throw new MobillmError('FILE_NOT_FOUND', reason, { details: { path } });
  };
  return {
    name: 'echo',
    version: '1.0.0',
    capabilities,
    devices: [{ id: 'cpu', kind: 'cpu', name: 'A wall' }],
    async inspect({ files }) {
      await sizeOf(files[0]?.path);
      return info;
    },
    async open({ files }, { contextTokens, sequences, signal, onProgress }) {
      const weightBytes = await sizeOf(files[0]?.path);
      onProgress?.(1);
      signal?.throwIfAborted();
      return openEcho(weightBytes, contextTokens, sequences);
    },
  };
}

function openEcho(weightBytes: number, contextTokens: number, places: number): ModelDriver {
  let open = true;
  const sequences = new Set<SequenceDriver>();
  return {
    info: { ...info, tasks: ['generate'], embedding: undefined, weightBytes, chatTemplate },
    contextTokens,
    kvPoolTokens: contextTokens * places,
    tokenizer: createEchoTokenizer(() => open),
    placement: () => ({
      engine: 'echo',
      engineVersion: '1.0.0',
      library: 'echo 1.0',
      layersByDevice: { cpu: 1 },
      threads: 1,
      modelSha256: undefined,
      keyType: 'token',
      valueType: 'token',
    }),
    async createSequence() {
      if (!open) throw closed();
      if (sequences.size === places) throw new MobillmError('BUSY', 'Close a sequence first.');
      const sequence = new EchoSequence(contextTokens, () => sequences.delete(sequence));
      sequences.add(sequence);
      return sequence;
    },
    async close() {
      open = false;
      for (const sequence of sequences) await sequence.close();
    },
  };
}

/** One sequence. Nothing works ahead of its reader: a generator stops where it is not pulled. */
class EchoSequence implements SequenceDriver {
  #cache: Token[] = [];
  /** Where the last prompt ends in the cache. */
  #promptEnd = 0;
  #open = true;

  constructor(
    private readonly contextTokens: number,
    private readonly onClose: () => void,
  ) {}

  get tokenCount(): number {
    return this.#cache.length;
  }

  async *generate(
    tokens: readonly Token[],
    spec: GenerateSpec,
    signal?: AbortSignal,
  ): AsyncGenerator<TokenBatch, void, void> {
    let [prefilledTokens, prefillMs, decodeMs] = [0, 0, 0];
    const batch = (own: Partial<TokenBatch> = {}): TokenBatch => ({
      tokens: [],
      ...{ prefilledTokens, prefillMs, decodeMs },
      ...own,
    });
    while (prefilledTokens < tokens.length) {
      prefillMs += await this.#step(signal);
      const step = tokens.slice(prefilledTokens, prefilledTokens + stepTokens);
      if (this.tokenCount + step.length > this.contextTokens) {
        yield batch({ finish: 'context-full' });
        return;
      }
      this.#cache.push(...step);
      this.#promptEnd = this.tokenCount;
      prefilledTokens += step.length;
      yield batch();
    }
    if (spec.maxTokens === 0) yield batch({ finish: 'max-tokens' });
    for (let sampled = 1; sampled <= spec.maxTokens; sampled++) {
      decodeMs += await this.#step(signal);
      const token = this.#next();
      const finish = this.#finishAfter(token, sampled, spec);
      if (!finish) this.#cache.push(token);
      yield batch({ tokens: [token], ...(finish && { finish }) });
      if (finish) return;
    }
  }

  async truncate(tokenCount: number): Promise<number> {
    if (!this.#open) throw closed();
    this.#cache.length = Math.min(tokenCount, this.#cache.length);
    this.#promptEnd = Math.min(this.#promptEnd, this.#cache.length);
    return this.#cache.length;
  }

  async close(): Promise<void> {
    this.#open = false;
    this.onClose();
  }

  /** Lets others work, then takes note of what happened meanwhile; gives the milliseconds of the step. */
  async #step(signal: AbortSignal | undefined): Promise<number> {
    await setImmediate();
    signal?.throwIfAborted();
    if (!this.#open) throw closed();
    return 0.001;
  }

  /** The last turn of the prompt, over and over. */
  #next(): Token {
    const prompt = this.#cache.slice(0, this.#promptEnd);
    if (prompt.at(-1) === turnEnd) prompt.pop();
    const heard = prompt.slice(prompt.lastIndexOf(turnEnd) + 1);
    return heard[(this.tokenCount - this.#promptEnd) % heard.length] ?? turnEnd;
  }

  #finishAfter(token: Token, sampled: number, spec: GenerateSpec): TokenBatch['finish'] {
    if (spec.endTokens.has(token)) return 'end-token';
    if (sampled === spec.maxTokens) return 'max-tokens';
    return this.tokenCount >= this.contextTokens ? 'context-full' : undefined;
  }
}

function closed(): MobillmError {
  return new MobillmError('CLOSED', 'The sequence or its model was closed. Open it again.');
}
