import { ggufLineage, type KvLineage } from '@mobillm/core';

/** The lineage of a model's weights, found at first use: it may take hashing the whole file. */
export class Lineage {
  readonly #path: string;
  readonly #sha256: string | undefined;
  #known: KvLineage | undefined;

  /** `sha256` is that of the file, where a store has recorded it. */
  constructor(path: string, sha256: string | undefined) {
    this.#path = path;
    this.#sha256 = sha256;
  }

  /** See `ModelDriver.lineage`. */
  async lineage(signal?: AbortSignal): Promise<KvLineage> {
    this.#known ??= await ggufLineage(this.#path, {
      ...(this.#sha256 !== undefined && { sha256: this.#sha256 }),
      ...(signal && { signal }),
    });
    return this.#known;
  }
}
