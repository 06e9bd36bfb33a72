/** Merges are taken in slices of this many, with the thread given back in between. */
const sliceMerges = 8192;
/** Words up to this length are kept with their tokens; at most so many of them. */
const cachedCharacters = 64;
const cachedWords = 16_384;

/** What a {@link BytePairEncoder} is made of. */
export interface BytePairModel {
  /** Tokens by spelling. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Merges in order of rank: left token, right token, the token they make. */
  readonly merges: Iterable<readonly [left: number, right: number, merged: number]>;
  /** Number of merges. */
  readonly mergeCount: number;
  /** Whether a word that is a token by itself is taken without merging. */
  readonly ignoreMerges: boolean;
  /** The tokens of a character that is none itself; may be empty. */
  readonly unknown: (character: string) => readonly number[];
}

/**
 * Byte-pair encoding over token numbers: of all neighbours the pair of the lowest rank is merged, the
 * leftmost first among equals. Takes n log n for a word of n characters.
 */
export class BytePairEncoder {
  readonly #model: BytePairModel;
  readonly #ranks: PairTable;
  readonly #merged: Int32Array;
  #cache = new Map<string, readonly number[]>();

  private constructor(model: BytePairModel) {
    this.#model = model;
    this.#ranks = new PairTable(model.mergeCount);
    this.#merged = new Int32Array(model.mergeCount);
  }

  /** Builds the tables, giving the thread back now and then. */
  static async create(model: BytePairModel): Promise<BytePairEncoder> {
    const encoder = new BytePairEncoder(model);
    let rank = 0;
    for (const [left, right, merged] of model.merges) {
      encoder.#ranks.add(left, right, rank);
      encoder.#merged[rank] = merged;
      rank += 1;
      if (rank % sliceMerges === 0) await giveThreadBack();
    }
    return encoder;
  }

  /** Appends the tokens of a word to `output`. */
  encode(word: string, output: number[]): void {
    const cached = this.#cache.get(word);
    const tokens = cached ?? this.#encodeWord(word);
    for (const token of tokens) output.push(token);
    if (cached !== undefined || word.length > cachedCharacters) return;
    if (this.#cache.size >= cachedWords) this.#cache = new Map();
    this.#cache.set(word, tokens);
  }

  #encodeWord(word: string): readonly number[] {
    const { vocabulary, ignoreMerges, unknown } = this.#model;
    if (ignoreMerges) {
      const whole = vocabulary.get(word);
      if (whole !== undefined) return [whole];
    }
    // Characters without a token are kept aside under numbers below zero, which no merge knows.
    const strangers: string[] = [];
    const symbols: number[] = [];
    for (const character of word) {
      symbols.push(vocabulary.get(character) ?? -strangers.push(character));
    }
    const merged = symbols.length > 1 ? this.#merge(Int32Array.from(symbols)) : symbols;
    if (strangers.length === 0) return merged;
    return merged.flatMap((token) => (token < 0 ? unknown(strangers[-token - 1] ?? '') : [token]));
  }

  #merge(symbols: Int32Array): number[] {
    const count = symbols.length;
    const next = Int32Array.from({ length: count }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
    // Rank of the pair that starts at each place; an entry of the heap that differs is stale.
    const ranks = new Int32Array(count).fill(-1);
    const heap = new NumberHeap();
    const consider = (left: number) => {
      const right = next[left] ?? count;
      const rank = right < count ? this.#ranks.get(symbols[left] ?? -1, symbols[right] ?? -1) : -1;
      ranks[left] = rank;
      // One number for both, which sorts by rank and then by place.
      if (rank >= 0) heap.push(rank * 2 ** 31 + left);
    };
    for (let i = 0; i + 1 < count; i++) consider(i);
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const rank = Math.floor(top / 2 ** 31);
      const left = top - rank * 2 ** 31;
      if (ranks[left] !== rank) continue;
      const right = next[left] ?? count;
      const after = next[right] ?? count;
      symbols[left] = this.#merged[rank] ?? -1;
      ranks[right] = -1;
      next[left] = after;
      if (after < count) previous[after] = left;
      consider(left);
      const before = previous[left] ?? -1;
      if (before >= 0) consider(before);
    }
    const result: number[] = [];
    for (let i = 0; i < count; i = next[i] ?? count) result.push(symbols[i] ?? -1);
    return result;
  }
}

/** Lets timers and input of the application run. */
const giveThreadBack = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/**
 * Ranks by pair of tokens: open addressing in typed arrays, a tenth of the memory of a `Map` with
 * numbers beyond 31 bits as keys.
 */
class PairTable {
  readonly #mask: number;
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #ranks: Int32Array;

  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(capacity, 4) * 2));
    this.#mask = slots - 1;
    this.#lefts = new Int32Array(slots).fill(-1);
    this.#rights = new Int32Array(slots);
    this.#ranks = new Int32Array(slots);
  }

  /** Of equal pairs the first counts. */
  add(left: number, right: number, rank: number): void {
    const slot = this.#slotOf(left, right);
    if (this.#lefts[slot] !== -1) return;
    this.#lefts[slot] = left;
    this.#rights[slot] = right;
    this.#ranks[slot] = rank;
  }

  /** -1 for a pair that is not merged. */
  get(left: number, right: number): number {
    if (left < 0 || right < 0) return -1;
    const slot = this.#slotOf(left, right);
    return this.#lefts[slot] === -1 ? -1 : (this.#ranks[slot] ?? -1);
  }

  #slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & this.#mask;
    while (
      this.#lefts[slot] !== -1 &&
      (this.#lefts[slot] !== left || this.#rights[slot] !== right)
    ) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}

/** A binary heap with the smallest number on top. */
class NumberHeap {
  readonly #items: number[] = [];

  push(value: number): void {
    const items = this.#items;
    let at = items.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? value;
      if (above <= value) break;
      items[at] = above;
      at = parent;
    }
    items[at] = value;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if ((items[child + 1] ?? Infinity) < (items[child] ?? Infinity)) child += 1;
      const below = items[child] ?? Infinity;
      if (below >= last) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
