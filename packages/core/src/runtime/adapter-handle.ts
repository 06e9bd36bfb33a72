import type { AdapterDriver, AdapterInfo } from '../engine/driver.js';
import type { Adapter } from '../engine/adapter.js';
import { Lifetime } from './lifetime.js';

/** What an {@link AdapterHandle} is made of. */
export interface AdapterHandleOptions {
  readonly driver: AdapterDriver;
  /** The model that loaded it. */
  readonly model: object;
  /** Drops what was cached with it. */
  readonly forget: (adapter: AdapterHandle) => Promise<void>;
  /** Told once, when it has closed. */
  readonly onClose: () => void;
}

let adapters = 0;

/** {@link Adapter} over a driver. */
export class AdapterHandle implements Adapter {
  readonly #options: AdapterHandleOptions;
  /** No other one has it. */
  readonly number = ++adapters;
  /** Whose `close` ends what has it applied. */
  readonly lifetime = new Lifetime('adapter');

  constructor(options: AdapterHandleOptions) {
    this.#options = options;
  }

  get info(): AdapterInfo {
    return this.driver.info;
  }

  get driver(): AdapterDriver {
    return this.#options.driver;
  }

  /** Whether a model has loaded it. */
  isOf(model: object): boolean {
    return this.#options.model === model;
  }

  close(): Promise<void> {
    return this.lifetime.close(async () => {
      try {
        await this.#options.forget(this);
      } finally {
        await this.driver.close();
        this.#options.onClose();
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
