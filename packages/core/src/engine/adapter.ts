import type { AdapterInfo } from './driver.js';

/** Options of {@link Model.loadAdapter}. */
export interface LoadAdapterOptions {
  /** Stops it; the promise then rejects with the signal's reason and nothing stays allocated. */
  readonly signal?: AbortSignal;
  /** Told the loaded share, from 0 to 1, never falling. */
  readonly onProgress?: (share: number) => void;
}

/** A change of a model's weights (LoRA), loaded beside them. */
export interface Adapter {
  /** What its file says. */
  readonly info: AdapterInfo;
  /**
   * Ends generations that have it applied with `CLOSED`, waits for them, drops what was cached with it
   * and gives its memory back; may be called twice. A session that has it among its defaults stays open,
   * and says `CLOSED` when it is sent something without other `adapters`. Goes with its model.
   */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** An adapter as one of those that are applied. */
export interface AdapterUse {
  /** Loaded by the same model. */
  readonly adapter: Adapter;
  /**
   * What its change is multiplied by, beside its own alpha; as f32. Default 1; at 0 it changes nothing, and
   * below it is taken away.
   */
  readonly scale?: number;
}
