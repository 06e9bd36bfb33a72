import {
  fromBfloat16,
  fromFloat16,
  readNumbers,
  toBfloat16,
  toFloat16,
  writeNumbers,
} from '../kv/float-formats.js';
import type { KvDtype, KvLayer, KvRope, KvSnapshot } from '../kv/kv-snapshot.js';
import type { KvGeometry } from '../kv/require-importable.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { fakeVocabularySize } from './fake-tokenizer.js';

/** How a fake engine stores keys and values. */
export interface FakeKvForm {
  /** Number format; default `f32`. */
  readonly dtype: KvDtype;
  /** Pairing of rotated values; default `neox`. */
  readonly pairing: KvRope['pairing'];
}

/** What the caches of all fake models are like. The last two values of a key are not rotated. */
export const fakeGeometry = {
  layers: 2,
  kvHeads: 2,
  keyLength: 6,
  valueLength: 4,
  rope: { base: 10_000, scale: 1, rotatedLength: 4 },
  vocabularySize: fakeVocabularySize,
} as const satisfies KvGeometry;

const { layers, kvHeads, keyLength, valueLength, rope } = fakeGeometry;
const pairs = rope.rotatedLength / 2;
const cells = layers * kvHeads;

/** Keys and values of one token: a row a layer and head. */
interface Entry {
  readonly token: Token;
  readonly keys: Float32Array;
  readonly values: Float32Array;
  /** What it was last read as, and at which position. */
  known?: { readonly position: number; readonly seed: number; readonly token: Token };
}

/**
 * A cache that works as a real one does: its keys and values depend on token, place, layer and head,
 * keys are rotated by position, and what follows is computed from them alone. So a cache that was cut,
 * moved, converted or joined wrongly reads as other tokens, and gives another continuation.
 */
export class FakeCache {
  readonly #form: FakeKvForm;
  #entries: Entry[];
  /** Of the adapters that are applied: values that were computed with others read as noise. */
  adapterSeed = 0;
  /** Added to the positions of new tokens; what a broken engine may have left behind. */
  positionError = 0;

  constructor(form: FakeKvForm, entries: readonly Entry[] = []) {
    this.#form = form;
    this.#entries = [...entries];
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#entries.length;
  }

  /** What the tokens take of a pool: copies have the same objects. */
  get places(): readonly object[] {
    return this.#entries;
  }

  /** The tokens, as they were put in. */
  get tokens(): Token[] {
    return this.#entries.map(({ token }) => token);
  }

  /** The tokens that the keys and values stand for where they lie now; noise where they are wrong. */
  read(): Token[] {
    return this.#entries.map((entry, position) => {
      const seed = this.adapterSeed;
      if (entry.known?.position !== position || entry.known.seed !== seed) {
        entry.known = { position, seed, token: readEntry(entry, position, seed, this.#form) };
      }
      return entry.known.token;
    });
  }

  /** Computes a token's keys and values and appends them. */
  push(token: Token): void {
    const position = this.#entries.length + this.positionError;
    this.#entries.push(writeEntry(token, position, this.adapterSeed, this.#form));
  }

  /** Overwrites a token's keys and values by zeros. */
  wipe(index: number): void {
    const { token } = this.#entries[index] ?? {};
    if (token !== undefined) this.#entries[index] = emptyEntry(token);
  }

  /** Leaves the first tokens. */
  cut(tokenCount: number): void {
    this.#entries.length = Math.min(this.#entries.length, tokenCount);
    if (tokenCount === 0) this.positionError = 0;
  }

  /** Leaves the last tokens, where the first would have had to stay. */
  keepEnd(tokenCount: number): void {
    this.#entries = this.#entries.slice(this.#entries.length - tokenCount);
  }

  /** Takes tokens out of the middle, and rotates the keys behind them to their new places. */
  remove(from: number, to: number, { rotates }: { readonly rotates: boolean }): void {
    const behind = this.#entries.slice(to);
    this.#entries.length = from;
    if (!rotates) this.#entries.push(...behind);
    else for (const { token } of behind) this.push(token);
  }

  /** A copy that goes its own way. */
  copy(): FakeCache {
    const copy = new FakeCache(this.#form, this.#entries);
    copy.adapterSeed = this.adapterSeed;
    return copy;
  }

  /** The tensors of the tokens from one on. */
  export(fromToken: number): Pick<KvSnapshot, 'tokens' | 'dtype' | 'layers' | 'rope'> {
    const entries = this.#entries.slice(fromToken);
    const { dtype, pairing } = this.#form;
    const tensor = (layer: number, part: 'keys' | 'values', headLength: number) => {
      const numbers = new Float32Array(kvHeads * entries.length * headLength);
      for (let head = 0; head < kvHeads; head++) {
        for (const [index, entry] of entries.entries()) {
          const row = (layer * kvHeads + head) * headLength;
          const at = (head * entries.length + index) * headLength;
          numbers.set(entry[part].subarray(row, row + headLength), at);
        }
      }
      return writeNumbers(numbers, dtype);
    };
    return {
      tokens: entries.map(({ token }) => token),
      dtype,
      rope: { ...rope, pairing },
      layers: Array.from({ length: layers }, (_, layer): KvLayer => ({
        keys: tensor(layer, 'keys', keyLength),
        values: tensor(layer, 'values', valueLength),
      })),
    };
  }

  /** Appends tokens with the tensors of a snapshot that is in this cache's own form. */
  import(snapshot: Pick<KvSnapshot, 'tokens' | 'layers'>): void {
    const count = snapshot.tokens.length;
    const { dtype } = this.#form;
    const parts = snapshot.layers.map(({ keys, values }) => ({
      keys: readNumbers(keys, dtype),
      values: readNumbers(values, dtype),
    }));
    for (const [index, token] of snapshot.tokens.entries()) {
      const entry = emptyEntry(token);
      for (let layer = 0; layer < layers; layer++) {
        for (let head = 0; head < kvHeads; head++) {
          const cell = layer * kvHeads + head;
          const row = (part: Float32Array | undefined, headLength: number) => {
            const at = (head * count + index) * headLength;
            return part?.subarray(at, at + headLength) ?? new Float32Array(headLength);
          };
          entry.keys.set(row(parts[layer]?.keys, keyLength), cell * keyLength);
          entry.values.set(row(parts[layer]?.values, valueLength), cell * valueLength);
        }
      }
      this.#entries.push(entry);
    }
  }
}

function emptyEntry(token: Token): Entry {
  return {
    token,
    keys: new Float32Array(cells * keyLength),
    values: new Float32Array(cells * valueLength),
  };
}

function writeEntry(
  token: Token,
  position: number,
  seed: number,
  { dtype, pairing }: FakeKvForm,
): Entry {
  const entry = emptyEntry(token);
  for (let cell = 0; cell < cells; cell++) {
    const key = rotated(plainKey(token, cell), position, 1);
    for (const [index, value] of key.entries()) {
      entry.keys[cell * keyLength + placeOf(index, pairing)] = rounded(value, dtype);
    }
    for (const [index, value] of plainValue(token, cell, position, seed).entries()) {
      entry.values[cell * valueLength + index] = rounded(value, dtype);
    }
  }
  return entry;
}

/** Reads a token back, from every layer and head; they have to agree to the rounding. */
function readEntry(entry: Entry, position: number, seed: number, { pairing }: FakeKvForm): Token {
  let noise = 0;
  let found: Token | undefined;
  for (let cell = 0; cell < cells; cell++) {
    const stored = Array.from(
      { length: keyLength },
      (_, index) => entry.keys[cell * keyLength + placeOf(index, pairing)] ?? 0,
    );
    const key = rotated(stored, position, -1);
    const digit = (index: number) => Math.round((key[index] ?? 0) - offset(index, cell));
    const token = digit(0) + 16 * digit(1) + 256 * digit(4);
    const value = entry.values.subarray(cell * valueLength, (cell + 1) * valueLength);
    noise += key.reduce((sum, item, index) => sum + Math.round(item * (index + 3)), cell);
    noise += value.reduce((sum, item, index) => sum + Math.round(item * (index + 5)), 0);
    const sound =
      agree(key, plainKey(token, cell)) && agree(value, plainValue(token, cell, position, seed));
    found = sound && (found === undefined || found === token) ? token : -1;
    if (found < 0) break;
  }
  return found === undefined || found < 0 ? 512 + (Math.abs(noise) % 4096) : found;
}

/** A key before rotation: its digits twice, shifted by layer and head, in the order of `neox`. */
function plainKey(token: Token, cell: number): number[] {
  const digits = [token & 15, (token >> 4) & 15, token >> 8];
  return [0, 1, 0, 1, 2, 2].map((digit, index) => (digits[digit] ?? 0) + offset(index, cell));
}

function plainValue(token: Token, cell: number, position: number, seed: number): number[] {
  const place = (position % 5) + 5 * seed;
  return [(token & 15) - 8, ((token >> 4) & 15) - 8, (token >> 8) + cell, place];
}

function offset(index: number, cell: number): number {
  return index - 3 + 2 * cell;
}

function agree(actual: ArrayLike<number>, expected: readonly number[]): boolean {
  // Rounding to bf16 and back by way of a rotation moves these numbers by less than a tenth.
  return expected.every((value, index) => Math.abs(value - (actual[index] ?? NaN)) < 0.25);
}

/** Rotates the pairs of a head by the angles of a position; `direction` -1 takes that back. */
function rotated(key: readonly number[], position: number, direction: 1 | -1): number[] {
  const result = [...key];
  for (let pair = 0; pair < pairs; pair++) {
    const angle = direction * position * rope.scale * rope.base ** (-pair / pairs);
    const [a, b] = [key[pair] ?? 0, key[pair + pairs] ?? 0];
    result[pair] = a * Math.cos(angle) - b * Math.sin(angle);
    result[pair + pairs] = a * Math.sin(angle) + b * Math.cos(angle);
  }
  return result;
}

/** Where a value of a head, counted as `neox` does, lies in memory. */
function placeOf(index: number, pairing: KvRope['pairing']): number {
  if (pairing === 'neox' || index >= rope.rotatedLength) return index;
  return index < pairs ? 2 * index : 2 * (index - pairs) + 1;
}

function rounded(value: number, dtype: KvDtype): number {
  if (dtype === 'f16') return fromFloat16(toFloat16(value));
  if (dtype === 'bf16') return fromBfloat16(toBfloat16(value));
  return Math.fround(value);
}
