import type { AddedToken } from './added-token-splitter.js';
import { invalidTokenizer, isRecord, type JsonObject, unsupportedTokenizer } from './json-value.js';

const maxTokens = 2 ** 20;
const maxMerges = 2 ** 22;
/** Bounds on added tokens, which are looked for at every place of a text; real ones are far below. */
const maxAddedCharacters = 1024;
const maxAddedCharactersInAll = 2 ** 20;

/** A `tokenizer.json` of byte-pair encoding whose numbers and references have been checked. */
export interface ParsedTokenizer {
  /** Tokens by spelling, added ones included. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Spellings by token; a hole where a number is not used. */
  readonly spellings: readonly (string | undefined)[];
  /** Tokens that are looked for in texts. */
  readonly addedTokens: readonly AddedToken[];
  /** Number of merges. */
  readonly mergeCount: number;
  /** The merges by token numbers, checked as they pass. */
  merges(): Generator<readonly [left: number, right: number, merged: number]>;
  /** Whether a word that is a token by itself is taken without merging. */
  readonly ignoreMerges: boolean;
  /** Whether characters that are no tokens are encoded as their bytes. */
  readonly byteFallback: boolean;
  /** Stands for what has no token. */
  readonly unknownToken: number | undefined;
  /** How spellings are turned into bytes. */
  readonly spelling: 'byte-characters' | 'spaces';
}

/**
 * Checks the parts of a `tokenizer.json` that say what the tokens are.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export function parseTokenizerJson(tokenizer: JsonObject): ParsedTokenizer {
  const model = tokenizer['model'];
  if (!isRecord(model)) throw invalidTokenizer('it has no model');
  const type = model['type'] ?? (Array.isArray(model['merges']) ? 'BPE' : undefined);
  if (type !== 'BPE') throw unsupportedTokenizer(`a model of the type ${JSON.stringify(type)}`);
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if ((model[key] ?? '') !== '') throw unsupportedTokenizer(`"${key}"`);
  }
  const vocabulary = new Map<string, number>();
  const spellings: (string | undefined)[] = [];
  const add = (spelling: string, token: unknown) => {
    if (!Number.isInteger(token) || (token as number) < 0 || (token as number) >= maxTokens) {
      throw invalidTokenizer(`a token has the number ${JSON.stringify(token)}`);
    }
    const number = token as number;
    const other = vocabulary.get(spelling);
    if ((other ?? number) !== number || (spellings[number] ?? spelling) !== spelling) {
      throw invalidTokenizer(`the token ${number} stands there twice`);
    }
    vocabulary.set(spelling, number);
    spellings[number] = spelling;
  };
  const entries = model['vocab'];
  if (!isRecord(entries)) throw invalidTokenizer('it has no vocabulary');
  for (const spelling of Object.keys(entries)) add(spelling, entries[spelling]);
  const addedTokens = parseAddedTokens(tokenizer['added_tokens'] ?? [], add);
  if (vocabulary.size === 0) throw invalidTokenizer('its vocabulary is empty');

  const merges = model['merges'];
  if (!Array.isArray(merges) || merges.length > maxMerges) {
    throw invalidTokenizer('it has no list of merges, or one beyond all measure');
  }
  const unknown = model['unk_token'];
  return {
    vocabulary,
    spellings,
    addedTokens,
    mergeCount: merges.length,
    merges: () => parseMerges(merges, vocabulary),
    ignoreMerges: model['ignore_merges'] === true,
    byteFallback: model['byte_fallback'] === true,
    unknownToken: typeof unknown === 'string' ? vocabulary.get(unknown) : undefined,
    spelling: spellingOf(tokenizer['decoder']),
  };
}

function parseAddedTokens(
  value: unknown,
  add: (spelling: string, token: unknown) => void,
): AddedToken[] {
  if (!Array.isArray(value) || value.length > maxTokens) {
    throw invalidTokenizer('its added tokens are no list');
  }
  let characters = 0;
  return value.map((entry: unknown) => {
    if (!isRecord(entry)) throw invalidTokenizer('an added token is no object');
    const { id, content, special } = entry;
    if (typeof content !== 'string' || content === '') {
      throw invalidTokenizer('an added token has no spelling');
    }
    if (entry['single_word'] === true) {
      throw unsupportedTokenizer(`an added token that has to stand alone: ${content.slice(0, 40)}`);
    }
    characters += content.length;
    if (content.length > maxAddedCharacters || characters > maxAddedCharactersInAll) {
      throw invalidTokenizer('its added tokens are long beyond all measure');
    }
    add(content, id);
    return {
      token: id as number,
      text: content,
      special: special === true,
      stripsLeft: entry['lstrip'] === true,
      stripsRight: entry['rstrip'] === true,
    };
  });
}

function* parseMerges(
  merges: readonly unknown[],
  vocabulary: ReadonlyMap<string, number>,
): Generator<readonly [number, number, number]> {
  for (const merge of merges) {
    // Older files have a text with a space between, newer ones a list of two.
    const parts: readonly unknown[] =
      typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
      throw invalidTokenizer('a merge does not name two tokens');
    }
    const numbers = [left, right, left + right].map((spelling) => vocabulary.get(spelling));
    const [leftToken, rightToken, merged] = numbers;
    if (leftToken === undefined || rightToken === undefined || merged === undefined) {
      throw invalidTokenizer('a merge names what is no token');
    }
    yield [leftToken, rightToken, merged];
  }
}

/** Told by the decoder, which turns spellings back into text. */
function spellingOf(decoder: unknown): 'byte-characters' | 'spaces' {
  const types = new Set<unknown>();
  const collect = (step: unknown, depth: number) => {
    if (!isRecord(step) || depth > 4) return;
    types.add(step['type']);
    const inner = step['decoders'];
    if (Array.isArray(inner)) for (const child of inner) collect(child, depth + 1);
  };
  collect(decoder, 0);
  if (types.has('ByteLevel')) return 'byte-characters';
  if (types.has('Metaspace') || types.has('ByteFallback')) return 'spaces';
  throw unsupportedTokenizer('a decoder that is neither byte-level nor of SentencePiece');
}
