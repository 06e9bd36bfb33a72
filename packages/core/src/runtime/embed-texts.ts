import type { DriverEmbedOptions, ModelDriver, Pooling } from '../engine/driver.js';
import * as check from '../errors/check-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { Token, Tokenizer } from '../tokenizer/tokenizer.js';
import { checkAdapters } from './generation-request.js';

/** Checks `EmbedOptions`. */
export const checkEmbed = check.optionsObject({
  pooling: check.oneOf<Pooling>('mean', 'cls', 'last'),
  normalize: check.oneOf('l2', 'none'),
  truncate: check.oneOf('error', 'end'),
  adapters: checkAdapters,
  signal: check.abortSignal,
  onProgress: check.callback<(share: number) => void>(),
});

/** Characters that are encoded before others get the thread: about a millisecond's work. */
const charactersAtOnce = 4096;

/** Numbers that are normalised before others get the thread: less than a millisecond's work. */
const numbersAtOnce = 32_768;

/**
 * Embeds texts: encodes them, has the driver compute their vectors, and normalises these.
 *
 * @throws MobillmError `CONTEXT_FULL`; InvalidArgument for a text that is no token.
 */
export async function embedTexts(
  model: ModelDriver,
  embed: (...call: Parameters<NonNullable<ModelDriver['embed']>>) => Promise<Float32Array[]>,
  texts: readonly string[],
  options: Omit<ReturnType<typeof checkEmbed>, 'signal' | 'adapters'> &
    Pick<DriverEmbedOptions, 'adapters'>,
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const { normalize = 'l2', truncate = 'error', onProgress } = options;
  const rows: Token[][] = [];
  let characters = 0;
  for (const [index, text] of texts.entries()) {
    const tokens = model.tokenizer.encode(text, { addSpecial: true });
    if (tokens.length === 0) {
      throw wrongValue(`texts[${index}]`, 'has no token, and a vector needs at least one');
    }
    rows.push(fitText(model, tokens, index, truncate));
    characters += text.length;
    if (characters < charactersAtOnce) continue;
    characters = 0;
    await new Promise((resolve) => setTimeout(resolve));
    signal.throwIfAborted();
  }
  if (rows.length === 0) return [];
  const vectors = await embed(rows, {
    pooling: options.pooling ?? model.info.embedding?.pooling ?? 'mean',
    signal,
    ...(options.adapters && { adapters: options.adapters }),
    ...(onProgress && { onProgress }),
  });
  return normalize === 'l2' ? allNormalized(vectors, signal) : vectors;
}

/** All of them, some at once: many would hold the thread up. */
async function allNormalized(
  vectors: readonly Float32Array[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  let numbers = 0;
  for (const vector of vectors) {
    results.push(normalized(vector));
    numbers += vector.length;
    if (numbers < numbersAtOnce) continue;
    numbers = 0;
    await new Promise((resolve) => setTimeout(resolve));
    signal.throwIfAborted();
  }
  return results;
}

function fitText(
  { contextTokens, tokenizer }: ModelDriver,
  tokens: Token[],
  index: number,
  truncate: 'error' | 'end',
): Token[] {
  if (tokens.length <= contextTokens) return tokens;
  if (truncate === 'error') {
    throw new MobillmError(
      'CONTEXT_FULL',
      `Text ${index} has ${tokens.length} tokens and the context holds ${contextTokens}. Split the text, open the model with a larger "contextTokens", or leave out its end with truncate: "end".`,
      { details: { textIndex: index, promptTokens: tokens.length, contextTokens } },
    );
  }
  // What the vocabulary puts behind every text stays: the model has seen no text without it.
  const tail = tailOf(tokens, tokenizer);
  return [...tokens.slice(0, Math.max(0, contextTokens - tail.length)), ...tail].slice(
    0,
    contextTokens,
  );
}

/** The tokens at the end of a text that a vocabulary puts there itself. */
function tailOf(tokens: readonly Token[], tokenizer: Tokenizer): Token[] {
  const around = tokenizer.encode('', { addSpecial: true });
  let length = 0;
  while (length < around.length && around.at(-1 - length) === tokens.at(-1 - length)) length++;
  return tokens.slice(tokens.length - length);
}

/** A vector of the same direction and length 1; one of zeros has no direction and stays. */
function normalized(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const number of vector) squares += number * number;
  const length = Math.sqrt(squares);
  return length > 0 ? vector.map((number) => number / length) : vector;
}
