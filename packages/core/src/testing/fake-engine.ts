import { type EngineCapabilities, samplingFeatures } from '../engine/capabilities.js';
import type { EngineDriver, InspectedModel, ModelInfo } from '../engine/driver.js';
import type { Engine } from '../engine/engine.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { createEngine } from '../runtime/create-engine.js';
import type { ModelFiles } from '../store/model-files.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { FakeFault } from './fake-faults.js';
import { FakeModel, type FakeReply } from './fake-model.js';
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
}

/** Path that the fake engine takes for a missing file. */
export const fakeMissingPath = '/missing.fake';

/** ChatML, as many models have it. */
export const fakeChatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const capabilities: EngineCapabilities = {
  formats: ['gguf'],
  maxSequences: 8,
  truncate: 'exact',
  sampling: samplingFeatures,
  logprobs: true,
  fork: true,
  exportKv: false,
  importKv: false,
  saveSequence: false,
  embed: false,
  adjust: false,
  trim: false,
  estimate: true,
};

/** A driver without a model: deterministic, instant, and able to break any promise on purpose. */
export function createFakeDriver(options: FakeEngineOptions = {}): EngineDriver {
  const { fault, reply = hashReply, bytesPerToken = 1024 } = options;
  const own = { ...capabilities, ...options.capabilities };
  const info: ModelInfo = {
    architecture: 'fake',
    trainedContextTokens: 4096,
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
    name: 'fake',
    version: '1.0.0',
    capabilities: own,
    devices: [{ id: 'cpu', kind: 'cpu', name: 'Fake CPU' }],
    inspect,
    estimate: (_files, { contextTokens, sequences }) =>
      Promise.resolve({
        items: [
          { purpose: 'weights', device: 'cpu', bytes: info.weightBytes },
          { purpose: 'kv-cache', device: 'cpu', bytes: contextTokens * bytesPerToken },
        ],
        totalBytes: info.weightBytes + contextTokens * bytesPerToken * Math.min(1, sequences),
        method: 'formula',
        contextTokens,
      }),
    async open(files, openOptions) {
      await inspect(files);
      const shares = fault === 'progress-falls' ? [0.6, 0.3, 1] : [0.3, 0.6, 1];
      for (const share of shares) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        openOptions.signal?.throwIfAborted();
        openOptions.onProgress?.(share);
      }
      return new FakeModel(openOptions, { reply, fault, truncate: own.truncate, info });
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
  const letter = (offset: number) => 97 + (((hash >>> 0) + offset) % 26);
  const last = tokens.at(-1) ?? 97;
  const candidates = [4, 3, 2.5, 2].map((logit, index) => ({ token: letter(7 * index), logit }));
  return [...candidates.filter(({ token }) => token !== last), { token: last, logit: 1.5 }];
};
