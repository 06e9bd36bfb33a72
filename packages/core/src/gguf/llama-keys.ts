import { impossibleMetadata } from './gguf-errors.js';
import type { GgufMetadataEntry } from './gguf-layout.js';

/** The entries of one architecture, by the part of their key after its name. */
export class LlamaKeys {
  constructor(
    private readonly metadata: ReadonlyMap<string, GgufMetadataEntry>,
    private readonly architecture: string,
  ) {}

  /** The entry of this name, if there is one. */
  entry(name: string): GgufMetadataEntry | undefined {
    return this.metadata.get(`${this.architecture}.${name}`);
  }

  /** The value of a number entry; `undefined` when it is missing or of another type. */
  number(name: string): number | undefined {
    const value = this.entry(name)?.value;
    return typeof value === 'number' ? value : undefined;
  }

  /**
   * The values of an entry that holds one number for all layers, or one for each. Signed ones are
   * seen as the unsigned numbers that llama.cpp reads them as.
   */
  perLayer(name: string): readonly number[] {
    const entry = this.entry(name);
    if (typeof entry?.value === 'number') return [entry.value];
    return (entry?.elements ?? [])
      .filter((value) => typeof value === 'number')
      .map((value) => (value < 0 ? value + 2 ** 32 : value));
  }

  /** Refuses what an entry says. */
  fail(name: string, what: string): never {
    throw impossibleMetadata(`${this.architecture}.${name}`, what);
  }
}
