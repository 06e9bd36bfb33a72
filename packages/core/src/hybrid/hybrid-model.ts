import type { EngineCapabilities } from '../engine/capabilities.js';
import type { Placement } from '../engine/device.js';
import type { ModelDriver, ModelInfo, ModelLevers, SequenceDriver } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { KvLineage } from '../kv/kv-snapshot.js';
import { allOf } from '../runtime/all-of.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { RunningCounts } from './hybrid-counts.js';
import { HybridSequence } from './hybrid-sequence.js';

/** The model as one of the two engines has opened it. */
export interface OpenSide {
  /** Name of the engine. */
  readonly name: string;
  readonly capabilities: EngineCapabilities;
  readonly model: ModelDriver;
  /** Closes the model, and nothing else. */
  readonly close: () => Promise<void>;
}

/** What the sequences of one hybrid model share. */
export interface HybridModelParts {
  readonly prefill: OpenSide;
  readonly decode: OpenSide;
  readonly minPrefillTokens: number;
  /** Counted on. */
  readonly counts: RunningCounts;
}

/** One model, opened on two engines. */
export class HybridModel implements ModelDriver {
  readonly #parts: HybridModelParts;
  readonly info: ModelInfo;
  readonly contextTokens: number;
  readonly kvPoolTokens: number;
  readonly tokenizer: Tokenizer;
  readonly embed?: NonNullable<ModelDriver['embed']>;
  readonly rerank?: NonNullable<ModelDriver['rerank']>;
  #closing: Promise<void> | undefined;

  constructor(parts: HybridModelParts) {
    const [prefill, decode] = [parts.prefill.model, parts.decode.model];
    this.#parts = parts;
    this.info = {
      ...decode.info,
      trainedContextTokens: Math.min(
        prefill.info.trainedContextTokens,
        decode.info.trainedContextTokens,
      ),
    };
    this.contextTokens = Math.min(prefill.contextTokens, decode.contextTokens);
    this.kvPoolTokens = Math.min(prefill.kvPoolTokens, decode.kvPoolTokens);
    this.tokenizer = decode.tokenizer;
    if (decode.embed) this.embed = decode.embed.bind(decode);
    if (decode.rerank) this.rerank = decode.rerank.bind(decode);
  }

  placement(): Placement {
    const decode = this.#parts.decode.model.placement();
    return { ...decode, phases: { prefill: this.#parts.prefill.model.placement(), decode } };
  }

  lineage(signal?: AbortSignal): Promise<KvLineage> {
    const { name, model } = this.#parts.decode;
    if (model.lineage) return model.lineage(signal);
    throw new MobillmError('UNSUPPORTED', `The engine "${name}" does not tell a lineage.`);
  }

  async createSequence(): Promise<SequenceDriver> {
    const decode = await this.#parts.decode.model.createSequence();
    try {
      const prefill = await this.#parts.prefill.model.createSequence();
      const { contextTokens } = this;
      return new HybridSequence({ ...this.#parts, contextTokens }, { prefill, decode });
    } catch (error) {
      await decode.close();
      throw error;
    }
  }

  async adjust(levers: ModelLevers): Promise<void> {
    const { prefill, decode } = this.#parts;
    await allOf([prefill.model.adjust?.(levers), decode.model.adjust?.(levers)].map(settled));
  }

  close(): Promise<void> {
    const { prefill, decode } = this.#parts;
    this.#closing ??= allOf([prefill.close(), decode.close()]);
    return this.#closing;
  }
}

async function settled(promise: Promise<void> | undefined): Promise<void> {
  await promise;
}
