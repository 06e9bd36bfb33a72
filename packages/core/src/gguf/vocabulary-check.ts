import type { ByteSource } from '../platform/platform.js';
import { damagedGguf, impossibleMetadata } from './gguf-errors.js';
import type { GgufMetadataEntry } from './gguf-layout.js';
import { HashTable } from './hash-table.js';
import type { StringVisitor } from './read-metadata.js';

const modelKey = 'tokenizer.ggml.model';
const tokensKey = 'tokenizer.ggml.tokens';
const typesKey = 'tokenizer.ggml.token_type';
/** `LLAMA_TOKEN_TYPE_BYTE`. */
const byteTokenType = 6;
/** Four times the largest vocabulary known; bounds the table of hashes. */
const maxTokens = 2 ** 20;
const chunkBytes = 128 * 1024;

/**
 * Watches the tokens of a vocabulary pass and finds two that are the same: llama.cpp asserts that
 * there are none. Keeps a hash a token instead of its text; equal hashes are compared afterwards.
 */
export class VocabularyCheck {
  /** Bytes that are tokens by themselves, in the spelling of RWKV vocabularies. */
  private readonly singleBytes = new Set<number>();
  private readonly suspects: (readonly [first: number, second: number])[] = [];

  /** The visitor for a string array, if it is the vocabulary. */
  visitorOf(key: string, elementCount: number): StringVisitor | undefined {
    if (key !== tokensKey) return undefined;
    if (elementCount > maxTokens) {
      throw impossibleMetadata(
        key,
        `has ${elementCount} tokens, and at most ${maxTokens} can be used`,
      );
    }
    // A token lies at its offset, an empty one at `-1 - index`.
    const seen = new HashTable(elementCount);
    return (index, buffer, start, length, offset) => {
      const empty = length === 0 || buffer[start] === 0;
      const place = empty ? -1 - index : offset;
      if (length <= 4) {
        const byte = singleByte(buffer, start, length);
        if (byte !== undefined) this.singleBytes.add(byte);
      }
      const named = empty ? placeholder(index) : undefined;
      const other = named
        ? seen.add(named, 0, named.length, place)
        : seen.add(buffer, start, length, place);
      // A file with thousands of equal tokens is refused by the first of them.
      if (other !== undefined && this.suspects.length < 16) this.suspects.push([other, place]);
    };
  }

  /**
   * Decides what the pass left open.
   *
   * @throws MobillmError `MODEL_INVALID` when two tokens are the same.
   */
  async finish(
    source: ByteSource,
    metadata: ReadonlyMap<string, GgufMetadataEntry>,
  ): Promise<void> {
    for (const [first, second] of this.suspects) {
      const text = await readToken(source, first);
      if (text === (await readToken(source, second))) {
        throw damagedGguf(
          `two tokens of the vocabulary are spelled ${JSON.stringify(text)}`,
          Math.max(first, second),
        );
      }
    }
    // Else llama.cpp's tokenizer goes round in circles at a text that begins no token.
    if (metadata.get(modelKey)?.value === 'rwkv' && this.singleBytes.size < 256) {
      throw impossibleMetadata(tokensKey, 'lacks tokens for single bytes, which RWKV needs');
    }
    await checkByteTokens(source, metadata);
  }
}

/** The name that llama.cpp gives to an empty token. */
function placeholder(index: number): Uint8Array {
  return new TextEncoder().encode(`[EMPTY_${index}]`);
}

/** The byte that a token spells: as it is, escaped by a letter, or as `\\xff`. */
function singleByte(buffer: Uint8Array, start: number, length: number): number | undefined {
  const first = buffer[start];
  if (length === 1) return first;
  if (first !== 0x5c) return undefined;
  const text = String.fromCharCode(...buffer.subarray(start + 1, start + length));
  if (/^x[0-9a-f]{2}$/i.test(text)) return parseInt(text.slice(1), 16);
  const escapes: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, '\\': 0x5c };
  return Object.hasOwn(escapes, text) ? escapes[text] : undefined;
}

/** The text of a token up to its first zero, one character a byte. */
async function readToken(source: ByteSource, place: number): Promise<string> {
  if (place < 0) return String.fromCharCode(...placeholder(-1 - place));
  const prefix = await source.read(place - 8, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0, true);
  const bytes = await source.read(place, length);
  const end = bytes.indexOf(0);
  let text = '';
  for (const byte of end === -1 ? bytes : bytes.subarray(0, end)) text += String.fromCharCode(byte);
  return text;
}

/** A WordPiece vocabulary has no bytes; llama.cpp aborts when it is asked for the byte of a token. */
async function checkByteTokens(
  source: ByteSource,
  metadata: ReadonlyMap<string, GgufMetadataEntry>,
): Promise<void> {
  const types = metadata.get(typesKey);
  if (metadata.get(modelKey)?.value !== 'bert') return;
  if (types?.elementType !== 'int32' || types.elementCount === undefined) return;
  const start = types.endOffset - types.elementCount * 4;
  for (let offset = start; offset < types.endOffset; offset += chunkBytes) {
    const bytes = await source.read(offset, Math.min(chunkBytes, types.endOffset - offset));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
      if (view.getInt32(at, true) === byteTokenType) {
        throw impossibleMetadata(
          typesKey,
          'names byte tokens, which a bert vocabulary cannot have',
        );
      }
    }
  }
}
