/**
 * How a kind of byte-level vocabulary cuts a text before merging, by regular expressions that are
 * applied one after the other: each cuts the pieces of the one before into matches and what lies
 * between.
 */
export interface PreTokenizer {
  /** The expressions, in the syntax that `tokenizer.json` uses. */
  readonly patterns: readonly string[];
  /** Whether a piece that is a token by itself is taken without merging. */
  readonly ignoreMerges?: boolean;
  /** Whether the beginning-of-sequence token goes before every text where the file is silent. */
  readonly addsBos?: boolean;
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const words = (digits: string) =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const llama3 = words('\\p{N}{1,3}');
const qwen2 = words('\\p{N}');
const qwen35 = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const seedCoder = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const deepseek3 =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
/**
 * Letters that have an upper and a lower case, as DeepSeek's first vocabulary lists them. Those that
 * an editor could replace by an equivalent are escaped.
 */
const casedLetters =
  'A-Za-z\u00b5À-ÖØ-öø-ƺƼ-ƿ\u01c4-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-\u03f5Ϸ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149ⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}';

const gpt2Like: PreTokenizer = { patterns: [gpt2] };
const singleDigits: PreTokenizer = { patterns: ['\\p{N}', gpt2] };
const llama3Like: PreTokenizer = { patterns: [llama3] };
const llamaBpe: PreTokenizer = { patterns: [llama3], ignoreMerges: true, addsBos: true };
const qwen2Like: PreTokenizer = { patterns: [qwen2] };
const deepseek3Like: PreTokenizer = { patterns: ['\\p{N}{1,3}', '[一-龥぀-ゟ゠-ヿ]+', deepseek3] };

/** Names of `tokenizer.ggml.pre` in files, as llama.cpp 0.5.0 groups them. */
const groups: readonly (readonly [names: string, PreTokenizer])[] = [
  [
    'gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 ' +
      'mpt olmo jais trillion granite-docling',
    gpt2Like,
  ],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b mellum2', singleDigits],
  ['llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano', llamaBpe],
  ['dbrx smaug-bpe glm4 chatglm-bpe', llama3Like],
  ['qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2', qwen2Like],
  ['qwen35', { patterns: [qwen35] }],
  ['seed-coder', { patterns: [seedCoder] }],
  [
    'deepseek-llm',
    {
      patterns: [
        '[\\r\\n]',
        `\\s?[${casedLetters}]+`,
        '\\s?[!-/:-~！-／：-～‘-‟　-。]+',
        '\\s+$',
        '[一-龥ࠀ-一가-퟿]+',
        '\\p{N}+',
      ],
    },
  ],
  [
    'deepseek-coder',
    { patterns: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+', '\\p{N}'] },
  ],
  ['deepseek-v3 hunyuan-dense joyai-llm hy_v4', deepseek3Like],
  ['falcon', { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', gpt2, '[0-9][0-9][0-9]'] }],
  ['default', { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2, '\\p{N}+', '[0-9][0-9][0-9]'] }],
];

/** Ways to cut a text by the name that GGUF files give them; `default` where they give none. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  groups.flatMap(([names, preTokenizer]) =>
    names.split(' ').map((name) => [name, preTokenizer] as const),
  ),
);
