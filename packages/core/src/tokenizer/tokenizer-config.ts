import { invalidTokenizer, isRecord, type JsonObject, unsupportedTokenizer } from './json-value.js';
import type { ParsedTokenizer } from './parse-tokenizer-json.js';
import { endingSpellings } from './special-spellings.js';

/** What goes around a text, and what ends a generation. */
export interface TokenRoles {
  /** The beginning-of-sequence token. */
  readonly bosToken: number | undefined;
  /** The end-of-sequence token. */
  readonly eosToken: number | undefined;
  /** Tokens before every text with `addSpecial`. */
  readonly prefix: readonly number[];
  /** Tokens after every text with `addSpecial`. */
  readonly suffix: readonly number[];
  /** Tokens that end a generation. */
  readonly endTokens: ReadonlySet<number>;
}

/**
 * Reads the roles of tokens from a `tokenizer_config.json` and the `post_processor` of a
 * `tokenizer.json`; where both speak of the tokens around a text, the config is right.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export function readTokenRoles(
  tokenizer: JsonObject,
  config: JsonObject,
  parsed: ParsedTokenizer,
): TokenRoles {
  const token = (key: string): number | undefined => {
    const value = config[key];
    const spelling = isRecord(value) ? value['content'] : value;
    return typeof spelling === 'string' ? parsed.vocabulary.get(spelling) : undefined;
  };
  const bosToken = token('bos_token');
  const eosToken = token('eos_token');
  let { prefix, suffix } = templateOf(tokenizer['post_processor'] ?? null, parsed);
  const adds = { bos: config['add_bos_token'], eos: config['add_eos_token'] };
  if (typeof adds.bos === 'boolean') prefix = adds.bos && bosToken !== undefined ? [bosToken] : [];
  if (typeof adds.eos === 'boolean') suffix = adds.eos && eosToken !== undefined ? [eosToken] : [];
  return {
    bosToken,
    eosToken,
    prefix,
    suffix,
    endTokens: endTokensOf(config['end_tokens'], eosToken, parsed),
  };
}

function endTokensOf(
  given: unknown,
  eosToken: number | undefined,
  parsed: ParsedTokenizer,
): ReadonlySet<number> {
  const special = parsed.addedTokens.filter((added) => added.special).map(({ text }) => text);
  const spellings: Iterable<unknown> = Array.isArray(given) ? given : endingSpellings(special);
  const tokens = new Set<number>(eosToken === undefined ? [] : [eosToken]);
  for (const spelling of spellings) {
    const token = typeof spelling === 'string' ? parsed.vocabulary.get(spelling) : undefined;
    if (token === undefined) {
      throw invalidTokenizer(`the end token ${JSON.stringify(spelling)} is not in its vocabulary`);
    }
    tokens.add(token);
  }
  return tokens;
}

/** Steps of a post-processor; real ones have two. */
const maxProcessors = 64;

interface Template {
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
}

function templateOf(step: unknown, parsed: ParsedTokenizer, depth = 0): Template {
  const nothing: Template = { prefix: [], suffix: [] };
  if (step === null) return nothing;
  const type = isRecord(step) ? step['type'] : undefined;
  if (!isRecord(step) || depth > 4) throw invalidTokenizer('its post-processor is no object');
  switch (type) {
    case 'ByteLevel':
      return nothing;
    case 'Sequence': {
      const inner = step['processors'];
      const all = Array.isArray(inner) ? inner : [];
      if (all.length > maxProcessors) {
        throw unsupportedTokenizer(`a post-processor of ${all.length} steps`);
      }
      return all.reduce<Template>((outer, child) => {
        const { prefix, suffix } = templateOf(child, parsed, depth + 1);
        return { prefix: [...prefix, ...outer.prefix], suffix: [...outer.suffix, ...suffix] };
      }, nothing);
    }
    case 'TemplateProcessing':
      return readTemplate(step['single'], parsed);
    default:
      throw unsupportedTokenizer(`a post-processor of the type ${JSON.stringify(type)}`);
  }
}

function readTemplate(single: unknown, parsed: ParsedTokenizer): Template {
  const prefix: number[] = [];
  const suffix: number[] = [];
  let around = prefix;
  for (const item of Array.isArray(single) ? (single as unknown[]) : []) {
    const special = isRecord(item) ? item['SpecialToken'] : undefined;
    if (!isRecord(special)) {
      around = suffix;
      continue;
    }
    const token = parsed.vocabulary.get(String(special['id']));
    if (token === undefined) throw invalidTokenizer('its template names what is no token');
    around.push(token);
  }
  return { prefix, suffix };
}
