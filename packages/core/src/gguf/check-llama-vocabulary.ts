import { impossibleMetadata, unsupportedPreTokenizer } from './gguf-errors.js';
import type { GgufMetadataEntry } from './gguf-layout.js';

/** What llama.cpp assumes of a kind of tokenizer where the file is silent. */
interface TokenizerDefaults {
  readonly bos?: number;
  readonly eos?: number;
  readonly sep?: number;
  /** `maybe`: some pre-tokenizers of the kind add one unasked; `always`: whatever the file says. */
  readonly addsBos: boolean | 'maybe' | 'always';
  readonly addsEos: boolean;
}

const bytePairs: TokenizerDefaults = { bos: 11, eos: 11, addsBos: 'maybe', addsEos: false };

/** Kinds of tokenizers that read the entry about splitting a text before its pairs are merged. */
const bytePairModels = new Set(['gpt2', 'hybriddna', 'whitespace']);

const defaults: Readonly<Record<string, TokenizerDefaults>> = {
  llama: { bos: 1, eos: 2, addsBos: true, addsEos: false },
  bert: { bos: 101, sep: 102, addsBos: true, addsEos: false },
  gpt2: bytePairs,
  hybriddna: bytePairs,
  whitespace: bytePairs,
  gemma4: { addsBos: 'always', addsEos: false },
  t5: { eos: 1, addsBos: false, addsEos: true },
  plamo2: { bos: 1, eos: 2, addsBos: 'maybe', addsEos: false },
};

/**
 * Checks a vocabulary for what llama.cpp asserts: that there is one, and that the tokens which it
 * puts around a text exist.
 *
 * @throws MobillmError `MODEL_INVALID`, or `MODEL_UNSUPPORTED` for a way to split texts that it fails at.
 */
export function checkLlamaVocabulary(metadata: ReadonlyMap<string, GgufMetadataEntry>): void {
  const key = (name: string) => `tokenizer.ggml.${name}`;
  const model = metadata.get(key('model'))?.value;
  if (typeof model !== 'string') return;
  if (model === 'none' || model === 'no_vocab' || model === 'test') {
    throw impossibleMetadata(
      key('model'),
      `is "${model}", so it has no vocabulary to read text with`,
    );
  }
  const before = metadata.get(key('pre'))?.value;
  if (before === 'whitespace' && bytePairModels.has(model)) throw unsupportedPreTokenizer(before);
  const count = metadata.get(key('tokens'))?.elementCount;
  if (count === undefined) return;
  if (count === 0) throw impossibleMetadata(key('tokens'), 'is empty');
  const kind = Object.hasOwn(defaults, model) ? defaults[model] : undefined;
  if (kind === undefined) return;

  const exists = (name: string, byDefault: number | undefined) => {
    const value = metadata.get(key(name))?.value;
    return (
      (typeof value === 'number' && value >= 0 && value < count) ||
      (byDefault !== undefined && byDefault < count)
    );
  };
  const flag = (name: string) => {
    const value = metadata.get(key(name))?.value;
    return typeof value === 'boolean' ? value : undefined;
  };
  const demand = (name: string) => {
    throw impossibleMetadata(
      key(name),
      `names no token of the ${count}, and this tokenizer puts one around every text`,
    );
  };
  const addsBos = kind.addsBos === 'always' || (flag('add_bos_token') ?? kind.addsBos !== false);
  if (addsBos && !exists('bos_token_id', kind.bos)) demand('bos_token_id');
  const addsEos = flag('add_eos_token') ?? kind.addsEos;
  if (addsEos && model !== 'bert' && !exists('eos_token_id', kind.eos)) demand('eos_token_id');
  if (model === 'bert' && !exists('seperator_token_id', kind.sep)) demand('seperator_token_id');
}
