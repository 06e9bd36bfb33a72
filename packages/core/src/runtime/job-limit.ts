import { MobillmError } from '../errors/mobillm-error.js';

/** Calls of one kind that may wait for a model; one more is refused. */
export const maxWaiting = 64;

/** Jobs of which one is computed at a time: {@link maxWaiting} may wait behind it, and one more is refused. */
export class JobLimit {
  readonly #what: string;
  #unfinished = 0;

  /** @param what the jobs, in the words of a sentence. */
  constructor(what: string) {
    this.#what = what;
  }

  /**
   * Does one, or refuses it before it begins.
   *
   * @throws MobillmError `BUSY`.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#unfinished > maxWaiting) {
      throw new MobillmError(
        'BUSY',
        `${maxWaiting} ${this.#what} of this model wait already. Try again when some have finished, or give one of them more texts.`,
        { retryable: true, details: { waiting: maxWaiting } },
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
