import { type EngineCapabilities, samplingFeatures } from '../engine/capabilities.js';
import type { EngineDriver, InspectedModel, ModelInfo } from '../engine/driver.js';
import type { Engine } from '../engine/engine.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvLineage } from '../kv/kv-snapshot.js';
import { createEngine } from '../runtime/create-engine.js';
import type { ModelFiles } from '../store/model-files.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { fakeAdapterBytes } from './fake-adapter.js';
import type { FakeKvForm } from './fake-cache.js';
import type { FakeFault } from './fake-faults.js';
import { fakeEmbeddingLength, FakeModel, type FakeReply } from './fake-model.js';
import { fakeTokens } from './fake-tokenizer.js';

/** How a fake engine behaves. */
export interface FakeEngineOptions {
  /** What its models say; by default a stream of letters that depends on every token before. */
  readonly reply?: FakeReply;
  /** One promise of the contract to break. */
  readonly fault?: FakeFault;
  /** Capabilities that differ from a full set. */
  readonly capabilities?: Partial<EngineCapabilities>;
  /** What its models say of themselves, where it differs. */
  readonly info?: Partial<ModelInfo>;
  /** Bytes that a token of context takes in `estimate`. Default 1024. */
  readonly bytesPerToken?: number;
  /** Its name; default `fake`. */
  readonly name?: string;
  /** How keys and values are stored; f32 with the pairing `neox` by default. */
  readonly kv?: Partial<FakeKvForm>;
  /** Which weights its models are said to have, where it differs. */
  readonly lineage?: Partial<KvLineage>;
  /** Prompt tokens of one step. Default 16. */
  readonly prefillChunkTokens?: number;
  /** How much logits vary with the number of tokens in a step, as real engines' do. Default 0. */
  readonly rounding?: number;
}

/** Path that the fake engine takes for a missing file. */
export const fakeMissingPath = '/missing.fake';

/** ChatML, as many models have it. */
export const fakeChatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const fakeLineage: KvLineage = {
  sourceSha256: 'f'.repeat(64),
  architecture: 'fake',
  vocabularySha256: 'e'.repeat(64),
};

const capabilities: EngineCapabilities = {
  formats: ['gguf'],
  maxSequences: 8,
  truncate: 'exact',
  sampling: samplingFeatures,
  logprobs: true,
  grammar: true,
  speculation: true,
  copySequence: true,
  removeTokens: true,
  exportKv: true,
  importKv: true,
  embed: true,
  rerank: true,
  adapters: true,
  adjust: false,
  trim: false,
  estimate: true,
};

/** A driver without a model: deterministic, instant, and able to break any promise on purpose. */
export function createFakeDriver(options: FakeEngineOptions = {}): EngineDriver {
  const { fault, reply = hashReply, bytesPerToken = 1024, name = 'fake' } = options;
  const own = { ...capabilities, ...options.capabilities };
  const info: ModelInfo = {
    architecture: 'fake',
    trainedContextTokens: 4096,
    tasks: ['generate', 'embed', 'rerank'],
    embedding: { length: fakeEmbeddingLength, pooling: 'mean' },
    name: 'Fake',
    parameterCount: 1,
    weightBytes: 4,
    chatTemplate: fakeChatTemplate,
    ...options.info,
  };
  const inspect = (files: ModelFiles): Promise<InspectedModel> => {
    const [file] = files.files;
    if (file?.path === fakeMissingPath && fault !== 'opens-missing-file') {
      return Promise.reject(
        new MobillmError('FILE_NOT_FOUND', `There is no file "${file.path}".`, {
          details: { path: file.path },
        }),
      );
    }
    return Promise.resolve(info);
  };
  return {
    name,
    version: '1.0.0',
    capabilities: own,
    devices: [{ id: 'cpu', kind: 'cpu', name: 'Fake CPU' }],
    inspect,
    estimate: (_files, { contextTokens, sequences, adapters = [] }) => {
      const kept = fault === 'estimate-forgets-adapters' ? [] : adapters;
      const kvBytes = contextTokens * bytesPerToken * Math.min(1, sequences);
      return Promise.resolve({
        items: [
          { purpose: 'weights', device: 'cpu', bytes: info.weightBytes },
          ...kept.map(() => ({
            purpose: 'adapters' as const,
            device: 'cpu',
            bytes: fakeAdapterBytes,
          })),
          { purpose: 'kv-cache', device: 'cpu', bytes: kvBytes },
        ],
        totalBytes: info.weightBytes + kept.length * fakeAdapterBytes + kvBytes,
        method: 'formula',
        contextTokens,
      });
    },
    async open(files, openOptions) {
      await inspect(files);
      const shares = fault === 'progress-falls' ? [0.6, 0.3, 1] : [0.3, 0.6, 1];
      for (const share of shares) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        openOptions.signal?.throwIfAborted();
        try {
          openOptions.onProgress?.(share);
        } catch (error) {
          if (fault !== 'ignores-progress-failure') throw error;
        }
      }
      return new FakeModel(openOptions, {
        engine: name,
        reply,
        fault,
        capabilities: own,
        info,
        kv: { dtype: 'f32', pairing: 'neox', ...options.kv },
        lineage: { ...fakeLineage, ...options.lineage },
        prefillChunkTokens: fault === 'long-steps' ? 4096 : (options.prefillChunkTokens ?? 16),
        rounding: options.rounding ?? 0,
      });
    },
  };
}

/** {@link createFakeDriver} as an application sees it. */
export function createFakeEngine(options: FakeEngineOptions = {}): Engine {
  return createEngine(createFakeDriver(options));
}

/** The files of the fake engine's model. */
export const fakeFiles: ModelFiles = {
  format: 'gguf',
  files: [{ path: '/model.fake', role: 'weights' }],
};

/** The files of two adapters of the fake engine's model. */
export const fakeAdapterFiles: readonly [ModelFiles, ModelFiles] = [
  { format: 'gguf', files: [{ path: '/adapter-1.fake', role: 'adapter' }] },
  { format: 'gguf', files: [{ path: '/adapter-2.fake', role: 'adapter' }] },
];

/** Says a text after the last opened turn, or after a prompt of that many tokens, then ends. */
export function scriptedReply(text: string, promptTokens?: number): FakeReply {
  const script: Token[] = [];
  for (const part of text.split(/(<\/?think>)/u)) {
    if (part === '<think>') script.push(fakeTokens.thinkOpen);
    else if (part === '</think>') script.push(fakeTokens.thinkClose);
    else script.push(...new TextEncoder().encode(part));
  }
  const opening = '<|im_start|>assistant\n'.length - '<|im_start|>'.length + 1;
  return (tokens) => {
    const start = promptTokens ?? tokens.lastIndexOf(fakeTokens.turnStart) + opening;
    return script[tokens.length - start] ?? fakeTokens.turnEnd;
  };
}

/**
 * Letters by a hash of every token before, so that a wrong cache gives another text; and, with a small
 * chance, the last token again, so that penalties have something to do.
 */
const hashReply: FakeReply = (tokens) => {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193);
  hash ^= hash >>> 15;
  const last = tokens.at(-1) ?? 97;
  const logits = new Map([[last, 1.5]]);
  // Each letter comes from bits of its own: two caches agree in all of them only if they are the same.
  for (const [index, logit] of [4, 3, 2.5, 2].entries()) {
    const token = 97 + (((hash >>> (7 * index)) & 0x7f) % 26);
    if (!logits.has(token)) logits.set(token, logit);
  }
  return [...logits].map(([token, logit]) => ({ token, logit }));
};
