import type { AdapterDriver, AdapterInfo } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { fromNative } from './from-native.js';
import type { NativeAdapter } from './native-sequence.js';

/** An adapter of an engine that builds on the shared native machinery. */
export class NativeAdapterDriver implements AdapterDriver {
  /** What a native sequence takes. */
  readonly native: NativeAdapter;
  readonly info: AdapterInfo;
  #closing: Promise<void> | undefined;

  /** Takes the native adapter over: it is closed with this one. */
  constructor(native: NativeAdapter, info: AdapterInfo) {
    this.native = native;
    this.info = info;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.native.close();
    } catch (error) {
      const failure = fromNative(error);
      // Its model went first, and took the adapter with it.
      if (!MobillmError.is(failure, 'CLOSED')) throw failure;
    }
  }
}
