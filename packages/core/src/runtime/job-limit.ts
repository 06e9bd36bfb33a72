import { MobillmError } from '../errors/mobillm-error.js';

/** Jobs of which one is computed at a time: so many may wait behind it, and one more is refused. */
export class JobLimit {
  readonly #maxWaiting: number;
  readonly #what: string;
  #unfinished = 0;

  /** @param what the jobs, in the words of a sentence. */
  constructor(maxWaiting: number, what: string) {
    this.#maxWaiting = maxWaiting;
    this.#what = what;
  }

  /**
   * Does one, or refuses it before it begins.
   *
   * @throws MobillmError `BUSY`.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#unfinished > this.#maxWaiting) {
      throw new MobillmError(
        'BUSY',
        `${this.#maxWaiting} ${this.#what} of this model wait already. Try again when some have finished, or give one of them more texts.`,
        { retryable: true, details: { waiting: this.#maxWaiting } },
      );
    }
    this.#unfinished++;
    try {
      return await work();
    } finally {
      this.#unfinished--;
    }
  }
}
