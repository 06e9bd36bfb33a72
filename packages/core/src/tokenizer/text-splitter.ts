import type { Normalizer, PreTokenizer } from '@huggingface/tokenizers';
import { MobillmError } from '../errors/mobillm-error.js';
import { isRecord, type JsonObject, unsupportedTokenizer } from './json-value.js';
import { preTokenizers as knownCuts } from './pre-tokenizers.js';

/** Turns a piece of text between added tokens into the words that are merged. */
export interface TextSplitter {
  /** The words; `first` tells whether the text begins with this piece. */
  words(text: string, first: boolean): readonly string[];
  /** Whether words still have to be spelled in byte characters. */
  readonly spellBytes: boolean;
}

/**
 * Steps that a text goes through at most, and how often longer all replacements together may make it;
 * real files have a handful of steps that put one character for another.
 */
const maxSteps = 64;
const maxGrowth = 64;

/** Steps that the library does as the Rust original does them, in linear time. */
const knownNormalizers = new Set([
  'Sequence',
  'Prepend',
  'Replace',
  'NFC',
  'NFD',
  'NFKC',
  'NFKD',
  'Lowercase',
]);
const knownPreTokenizers = new Set(['Sequence', 'ByteLevel', 'Split', 'Digits', 'Metaspace']);

/** The pattern of GPT-2, which `ByteLevel` has built in. */
const gpt2Pattern = knownCuts.get('gpt-2')?.patterns[0] ?? '';

/**
 * Regular expressions that a model may bring. A backtracking engine can be made to run for years by
 * one of twenty characters, and no look at an expression tells; so those in use are listed.
 */
const knownPatterns = new Set([
  ...[...knownCuts.values()].flatMap(({ patterns }) => patterns),
  gpt2Pattern.replace(/\|\\s\+$/, ''),
  // GPT-4o and Llama 4; Mistral's Tekken.
  ...['\\p{N}{1,3}', '\\p{N}'].flatMap((digits) =>
    ["(?i:'s|'t|'re|'ve|'m|'ll|'d)?", ''].map(
      (ending) =>
        `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${ending}|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${ending}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    ),
  ),
]);

/**
 * Makes the splitter that the `normalizer` and `pre_tokenizer` of a `tokenizer.json` describe, out of
 * the steps of `@huggingface/tokenizers`, which is loaded at the first call.
 *
 * @throws MobillmError `MODEL_UNSUPPORTED` for a step or a regular expression that is not known.
 */
export async function createTextSplitter(tokenizer: JsonObject): Promise<TextSplitter> {
  const normalizers = flatten(tokenizer['normalizer'] ?? null, 'normalizer', knownNormalizers);
  const preTokenizers = flatten(
    tokenizer['pre_tokenizer'] ?? null,
    'pre_tokenizer',
    knownPreTokenizers,
  );
  for (const step of normalizers) checkNormalizer(step);
  checkGrowth(normalizers);
  const { steps, spellBytes } = withoutByteLevel(preTokenizers.map(toLibraryStep));
  const { Tokenizer } = await import('@huggingface/tokenizers');
  let library: { normalizer: Normalizer | null; pre_tokenizer: PreTokenizer | null };
  try {
    library = new Tokenizer(
      {
        normalizer: normalizers.length === 0 ? null : { type: 'Sequence', normalizers },
        pre_tokenizer: steps.length === 0 ? null : { type: 'Sequence', pretokenizers: steps },
        // The rest of its work is done here: see byte-pair-encoder.ts.
        model: { type: 'BPE', vocab: {}, merges: [] },
        post_processor: null,
        decoder: null,
        added_tokens: [],
      },
      {},
    );
  } catch (error) {
    throw new MobillmError(
      'MODEL_INVALID',
      'The tokenizer.json of this model describes steps that cannot be made. Download or convert the model again.',
      { cause: error, details: { what: 'tokenizer steps' } },
    );
  }
  return {
    spellBytes,
    words(text, first) {
      const normalized = library.normalizer?.normalize(text) ?? text;
      if (normalized === '') return [];
      if (library.pre_tokenizer === null) return [normalized];
      return library.pre_tokenizer.pre_tokenize([normalized], { section_index: first ? 0 : 1 });
    },
  };
}

/** The steps of a normalizer or pre-tokenizer in order, without the sequences around them. */
function flatten(
  step: unknown,
  name: 'normalizer' | 'pre_tokenizer',
  known: ReadonlySet<string>,
): JsonObject[] {
  const steps = flattenStep(step, name, known, 0);
  if (steps.length <= maxSteps) return steps;
  throw unsupportedTokenizer(`a ${name} of ${steps.length} steps`, { key: name });
}

function flattenStep(
  step: unknown,
  name: 'normalizer' | 'pre_tokenizer',
  known: ReadonlySet<string>,
  depth: number,
): JsonObject[] {
  if (step === null) return [];
  const type = isRecord(step) ? step['type'] : undefined;
  if (!isRecord(step) || typeof type !== 'string' || !known.has(type) || depth > 4) {
    throw unsupportedTokenizer(`a ${name} of the type ${JSON.stringify(type)}`, { key: name });
  }
  if (type !== 'Sequence') return [step];
  const inner = step[name === 'normalizer' ? 'normalizers' : 'pretokenizers'];
  if (!Array.isArray(inner) || inner.length > maxSteps) {
    throw unsupportedTokenizer(`a ${name} without a list of its steps`, { key: name });
  }
  return inner.flatMap((child: unknown) => flattenStep(child, name, known, depth + 1));
}

function checkNormalizer(step: JsonObject): void {
  const text = step['type'] === 'Prepend' ? step['prepend'] : step['content'];
  if (step['type'] === 'Replace') checkPattern(step['pattern'], 'normalizer');
  else if (step['type'] !== 'Prepend') return;
  // A dollar would be read as a reference to what is replaced.
  if (typeof text !== 'string' || text.length > 16 || text.includes('$')) {
    throw unsupportedTokenizer(`a normalizer that writes ${JSON.stringify(text)}`);
  }
}

/** One replacement after the other could make a letter fill the memory. */
function checkGrowth(steps: readonly JsonObject[]): void {
  let growth = 1;
  for (const { type, pattern, content } of steps) {
    if (type !== 'Replace' || typeof content !== 'string') continue;
    const { String: replaced } = isRecord(pattern) ? pattern : {};
    growth *= Math.max(1, content.length / (typeof replaced === 'string' ? replaced.length : 1));
  }
  if (growth <= maxGrowth) return;
  throw unsupportedTokenizer('a normalizer that makes texts longer beyond all measure', {
    key: 'normalizer',
  });
}

/** A step in the form in which the library does it as the original. */
function toLibraryStep(step: JsonObject): JsonObject {
  if (step['type'] === 'Digits') {
    // The library knows the ten ASCII digits alone.
    return splitAt(step['individual_digits'] === true ? '\\p{N}' : '\\p{N}+');
  }
  if (step['type'] === 'Split') {
    checkPattern(step['pattern'], 'pre_tokenizer');
    const behavior = String(step['behavior']);
    if (!['Isolated', 'Removed'].includes(behavior)) {
      throw unsupportedTokenizer(`a pre_tokenizer that splits by "${behavior.slice(0, 40)}"`);
    }
  }
  return step;
}

const splitAt = (Regex: string): JsonObject => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Isolated',
  invert: false,
});

function checkPattern(pattern: unknown, name: string): void {
  const { String: text, Regex: regex } = isRecord(pattern) ? pattern : {};
  if (typeof text === 'string' && text !== '' && text.length <= 64 && regex === undefined) return;
  if (typeof regex === 'string' && knownPatterns.has(regex)) return;
  const shown = String(regex).slice(0, 100);
  throw unsupportedTokenizer(`a ${name} with an unknown regular expression: ${shown}`, {
    key: name,
  });
}

/**
 * Takes the spelling of bytes out of the steps, so that it is done once a word instead of once an
 * occurrence, and gives the pattern that goes with it as a step of its own: the built-in one takes
 * JavaScript's idea of white space, which differs from everybody else's in U+0085 and U+FEFF.
 */
function withoutByteLevel(steps: readonly JsonObject[]): {
  readonly steps: readonly JsonObject[];
  readonly spellBytes: boolean;
} {
  const last = steps.at(-1);
  if (last?.['type'] !== 'ByteLevel' || last['add_prefix_space'] === true) {
    return { steps, spellBytes: false };
  }
  const split = last['use_regex'] === false ? [] : [splitAt(gpt2Pattern)];
  return { steps: [...steps.slice(0, -1), ...split], spellBytes: true };
}
