/**
 * Differs from run to run, so that nobody can make a file whose texts all fall into one slot, or
 * whose different texts have equal hashes.
 */
const seed = Math.floor(Math.random() * 2 ** 32) | 0;

/**
 * Remembers where texts of a list of known length lie, by a hash of 64 bits each. Flat arrays, since
 * a `Map` of a hundred thousand entries spends most of its time on growing.
 */
export class HashTable {
  private readonly mask: number;
  private readonly first: Int32Array;
  private readonly second: Int32Array;
  /** Where the text of a slot lies; NaN while the slot is free. */
  private readonly places: Float64Array;

  /** Makes a table for up to `count` texts. */
  constructor(count: number) {
    // At most half full, so that a free slot is near.
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, count * 2)));
    this.mask = capacity - 1;
    this.first = new Int32Array(capacity);
    this.second = new Int32Array(capacity);
    this.places = new Float64Array(capacity).fill(NaN);
  }

  /**
   * Adds the text of `length` bytes from `start`, or up to its first zero. Returns the place of one
   * that has the same hash, `undefined` when there is none.
   */
  add(buffer: Uint8Array, start: number, length: number, place: number): number | undefined {
    // FNV-1a, and a multiply-rotate.
    let first = 0x811c9dc5 ^ seed;
    let second = 0x9e3779b9 ^ Math.imul(seed, 0x85ebca6b);
    for (let at = start, end = start + length; at < end; at++) {
      const byte = buffer[at] ?? 0;
      if (byte === 0) break;
      first = Math.imul(first ^ byte, 0x01000193);
      second = (Math.imul((second << 13) | (second >>> 19), 5) + byte) | 0;
    }
    for (let slot = (first ^ second) & this.mask; ; slot = (slot + 1) & this.mask) {
      const there = this.places[slot] ?? NaN;
      if (Number.isNaN(there)) {
        this.first[slot] = first;
        this.second[slot] = second;
        this.places[slot] = place;
        return undefined;
      }
      if (this.first[slot] === first && this.second[slot] === second) return there;
    }
  }
}
