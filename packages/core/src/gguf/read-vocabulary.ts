import { abortSignal, optionsObject } from '../errors/check-options.js';
import type { ByteSource } from '../platform/platform.js';
import { impossibleMetadata } from './gguf-errors.js';
import type { GgufLayout } from './gguf-layout.js';
import { readNumberArray, readStringArray } from './read-array.js';

/** Four times the largest vocabulary known, and as much for its merges. */
const maxTokens = 2 ** 20;
const maxMerges = 2 ** 22;

/** Kinds of tokens by their number in a file (`llama_token_type`). */
export const ggufTokenTypes = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** The vocabulary of a GGUF file, as the file says it: no default of a library is filled in. */
export interface GgufVocabulary {
  /** Kind of tokenizer: `gpt2` (byte-level BPE), `llama` (SentencePiece), `bert` … */
  readonly model: string;
  /** How a text is cut before merging: `llama-bpe`, `qwen2` … Missing in old files. */
  readonly pre?: string;
  /** Spelling of each token, by its number. */
  readonly tokens: readonly string[];
  /** Kind of each token, see {@link ggufTokenTypes}; all `normal` where the file is silent. */
  readonly tokenTypes: ArrayLike<number>;
  /** Score of each token: the higher, the sooner it is merged. */
  readonly scores?: ArrayLike<number>;
  /** Merges in order of rank, two spellings with a space between. */
  readonly merges?: readonly string[];
  /** Begins a sequence. */
  readonly bosToken?: number;
  /** Ends a sequence. */
  readonly eosToken?: number;
  /** Ends a turn. */
  readonly eotToken?: number;
  /** Ends a message that goes on after a tool's answer. */
  readonly eomToken?: number;
  /** Stands for what has no token. */
  readonly unknownToken?: number;
  /** Fills up batches. */
  readonly padToken?: number;
  /** Tokens of fill-in-the-middle prompts after which generation ends: padding, repository, file. */
  readonly fimEndTokens: readonly number[];
  /** Whether `bosToken` goes before every text; `undefined` where the file is silent. */
  readonly addsBosToken?: boolean;
  /** Whether `eosToken` goes after every text; `undefined` where the file is silent. */
  readonly addsEosToken?: boolean;
  /** Whether a space goes before every text; `undefined` where the file is silent. */
  readonly addsSpacePrefix?: boolean;
  /** Jinja template of a conversation, of at most 1 MiB. */
  readonly chatTemplate?: string;
}

/** Options of {@link readGgufVocabulary}. */
export interface ReadGgufVocabularyOptions {
  /** Stops reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const checkOptions = optionsObject({ signal: abortSignal });

/**
 * Reads the vocabulary whose place `layout` (from `validateGguf` of the same source) names. Reads in
 * pieces of 128 KiB, so a file never holds the thread for long; at most 2^20 tokens. Numbers of special
 * tokens that are not in the vocabulary are left out, as llama.cpp leaves them: some files write -1.
 *
 * @throws MobillmError `MODEL_INVALID` when there is no vocabulary, or a part of it has the wrong type
 * or length; `details.key` names it.
 */
export async function readGgufVocabulary(
  source: ByteSource,
  layout: GgufLayout,
  options?: ReadGgufVocabularyOptions,
): Promise<GgufVocabulary> {
  const { signal } = checkOptions(options, 'options');
  const key = (name: string) => `tokenizer.ggml.${name}`;
  const entry = (name: string) => layout.metadata.get(key(name));
  const text = (name: string) => {
    const value = entry(name)?.value;
    return typeof value === 'string' ? value : undefined;
  };
  const flag = (name: string) => {
    const value = entry(name)?.value;
    return typeof value === 'boolean' ? value : undefined;
  };

  const model = text('model');
  const tokensEntry = entry('tokens');
  if (model === undefined || tokensEntry === undefined) {
    const missing = key(model === undefined ? 'model' : 'tokens');
    throw impossibleMetadata(missing, 'is missing, so there is no vocabulary');
  }
  const tokens = await readStringArray(source, tokensEntry, maxTokens, signal);
  const numbers = async (name: string) => {
    const found = entry(name);
    if (found === undefined) return undefined;
    const values = await readNumberArray(source, found, maxTokens, signal);
    if (values.length < tokens.length) {
      throw impossibleMetadata(
        key(name),
        `has ${values.length} elements for ${tokens.length} tokens`,
      );
    }
    return values;
  };
  const tokenTypes = await numbers('token_type');
  const scores = await numbers('scores');
  const mergesEntry = entry('merges');
  const merges =
    mergesEntry === undefined
      ? undefined
      : await readStringArray(source, mergesEntry, maxMerges, signal);

  const token = (name: string) => {
    const value = entry(`${name}_token_id`)?.value;
    return typeof value === 'number' && value >= 0 && value < tokens.length ? value : undefined;
  };
  const given = {
    pre: text('pre'),
    scores,
    merges,
    bosToken: token('bos'),
    eosToken: token('eos'),
    eotToken: token('eot'),
    eomToken: token('eom'),
    unknownToken: token('unknown'),
    padToken: token('padding'),
    addsBosToken: flag('add_bos_token'),
    addsEosToken: flag('add_eos_token'),
    addsSpacePrefix: flag('add_space_prefix'),
    chatTemplate: chatTemplateOf(layout),
  };
  return {
    model,
    tokens,
    tokenTypes: tokenTypes ?? new Uint8Array(tokens.length).fill(ggufTokenTypes.normal),
    fimEndTokens: [token('fim_pad'), token('fim_rep'), token('fim_sep')].filter(
      (found) => found !== undefined,
    ),
    ...withoutUndefined(given),
  };
}

function chatTemplateOf(layout: GgufLayout): string | undefined {
  const value = layout.metadata.get('tokenizer.chat_template')?.value;
  return typeof value === 'string' ? value : undefined;
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(values: T): Given<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Given<T>;
}
