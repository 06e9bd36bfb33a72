import { check, MobillmError, type ModelFiles, wrongType, wrongValue } from '@mobillm/core';
import { fromNative, toModelFiles } from '@mobillm/core/native';
import { type LlamaCppAddon, loadLlamaCppAddon } from '../addon.js';
import { type LlamaCppOpenOptions, resolveOpenOptions } from '../engine-options.js';
import { type ModelHeader, ModelHeaders } from '../model-header.js';
import { TextScorer } from './text-scorer.js';
import { scoredTokens, type TextWindow, textWindows } from './text-windows.js';

/** Options of {@link measurePerplexity}. */
export interface PerplexityOptions {
  /**
   * Tokens that are read at once, at least 2. Default 512, or the context that the model was trained for
   * where that is less.
   */
  readonly windowTokens?: number;
  /**
   * Tokens that each window but the first one scores, from 1 to one less than a window has. Fewer are
   * slower and give each token more before it. Default half a window.
   */
  readonly strideTokens?: number;
  /** Threads, 1 to the processors that this process may use. Default `auto`: those that are free. */
  readonly threads?: number | 'auto';
  /** As for `Engine.open`; the CPU computes. `batchTokens` is 128 by default, as each has a row of logits. */
  readonly engineOptions?: Pick<
    LlamaCppOpenOptions,
    'batchTokens' | 'flashAttention' | 'keyType' | 'valueType' | 'repack' | 'weights'
  >;
  /** Path of the addon to load and no other; see {@link LlamaCppEngineOptions.addon}. */
  readonly addon?: string | object;
  /** Stops the measurement, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the share of the text that is scored, 0 to 1, after every window. */
  readonly onProgress?: (share: number) => void;
}

/** What {@link measurePerplexity} found. */
export interface PerplexityReport {
  /** exp(−`logLikelihood` / `scoredTokens`), at least 1. */
  readonly perplexity: number;
  /** Standard error of ln(perplexity), as if tokens were independent; NaN for a single token. */
  readonly logError: number;
  /** Sum of the natural logarithms of the scored tokens' probabilities. */
  readonly logLikelihood: number;
  /** Tokens that were scored: all of the text, but the first one where the vocabulary puts none before. */
  readonly scoredTokens: number;
  /** Tokens of the text. */
  readonly textTokens: number;
  /** The window that was used. */
  readonly windowTokens: number;
  /** The stride that was used. */
  readonly strideTokens: number;
}

const checkOptions = check.optionsObject({
  windowTokens: check.integer({ min: 2, max: 0x7fff_ff00 }),
  strideTokens: check.integer({ min: 1, max: 0x7fff_ff00 }),
  threads: check.either('auto', check.integer({ min: 1, max: 4096 })),
  engineOptions: check.record,
  addon: (value, key) =>
    typeof value === 'object' && value !== null
      ? value
      : check.string({ nonEmpty: true })(value, key),
  signal: check.abortSignal,
  onProgress: check.callback<(share: number) => void>(),
});

/** Options of the engine that scoring has a use for, with its own default. */
export function resolveScoringOptions(options: unknown): ReturnType<typeof resolveOpenOptions> {
  const own = resolveOpenOptions(options);
  for (const key of ['gpuLayers', 'tensorSplit', 'embedTokens'] as const) {
    if ((options as LlamaCppOpenOptions | undefined)?.[key] === undefined) continue;
    throw wrongValue(`engineOptions.${key}`, 'is not for measuring, which the CPU does');
  }
  const { batchTokens = 128 } = (options ?? {}) as LlamaCppOpenOptions;
  return { ...own, batchTokens };
}

/**
 * Measures how well a model foresees a text: its perplexity, the inverse geometric mean of the
 * probabilities that the model gives each token of the text by the tokens before it. Lower is better;
 * only figures of the same text, vocabulary, window and stride can be compared.
 *
 * The text is encoded once, with special tokens kept as text. Where the vocabulary puts a token before
 * every text, it stands before each window and is not scored. The first window scores all its tokens
 * (without such a token, all but the first); each further one begins so that it scores the next
 * `strideTokens` tokens with all others of its `windowTokens` before them. Every window starts with an
 * empty cache. Loads a model of its own, on the CPU.
 *
 * @throws MobillmError as `Engine.open`; `UNSUPPORTED` for a model that does not generate.
 * @throws InvalidArgument for a text of fewer tokens than one can be scored of, and for bad options.
 */
export async function measurePerplexity(
  model: ModelFiles | string,
  text: string,
  options: PerplexityOptions = {},
): Promise<PerplexityReport> {
  const checked = checkOptions(options, '');
  const { threads = 'auto', signal, onProgress } = checked;
  if (typeof text !== 'string') throw wrongType('text', 'a string', text);
  const own = resolveScoringOptions(checked.engineOptions);
  const files = toModelFiles(model, { formats: ['gguf'] });
  const addon = await loadAddon(checked.addon);
  const header = await new ModelHeaders(addon).read(files, signal);
  requireGenerating(header);
  const { windowTokens, strideTokens } = resolveWindow(checked, header);
  const scorer = await TextScorer.open(addon, header, {
    use: 'text',
    contextTokens: windowTokens,
    threads: threads === 'auto' ? 0 : threads,
    own,
    signal,
  });
  try {
    const tokens = await scorer.encode(text);
    const { bosToken } = scorer;
    const windows = textWindows(tokens, { windowTokens, strideTokens, bosToken });
    if (windows.length === 0) {
      throw wrongValue('text', `has ${tokens.length} tokens, too few to score one by another`);
    }
    const logProbs = await scoreWindows(scorer, windows, onProgress);
    const { mean, error } = meanOf(logProbs);
    return {
      perplexity: Math.exp(-mean),
      logError: error,
      logLikelihood: mean * logProbs.length,
      scoredTokens: logProbs.length,
      textTokens: tokens.length,
      windowTokens,
      strideTokens,
    };
  } finally {
    await scorer.close();
  }
}

/** Loads the addon, whose errors become the SDK's. */
export async function loadAddon(addon: string | object | undefined): Promise<LlamaCppAddon> {
  const loaded = await loadLlamaCppAddon(addon).catch((error: unknown) => {
    throw fromNative(error);
  });
  return loaded.addon;
}

/** @throws MobillmError `UNSUPPORTED`. */
export function requireGenerating({ path, generates }: ModelHeader): void {
  if (generates) return;
  throw new MobillmError(
    'UNSUPPORTED',
    `The model ${path} computes vectors of texts and does not foresee tokens. Take a model that generates.`,
    { details: { path } },
  );
}

/** The window and stride that are meant. */
export function resolveWindow(
  options: Pick<PerplexityOptions, 'windowTokens' | 'strideTokens'>,
  header: ModelHeader,
): { readonly windowTokens: number; readonly strideTokens: number } {
  const most = header.trainedContextTokens;
  const { windowTokens = Math.max(2, Math.min(512, most)) } = options;
  if (windowTokens > most && most >= 2) {
    throw wrongValue(
      'windowTokens',
      `must be at most ${most}, the context that the model was trained for, but it is ${windowTokens}`,
    );
  }
  const { strideTokens = Math.max(1, Math.floor(windowTokens / 2)) } = options;
  if (strideTokens >= windowTokens) {
    throw wrongValue(
      'strideTokens',
      `must be less than the window of ${windowTokens} tokens, but it is ${strideTokens}`,
    );
  }
  return { windowTokens, strideTokens };
}

/** Log-probabilities of all tokens that some windows score, in order. */
async function scoreWindows(
  scorer: TextScorer,
  windows: readonly TextWindow[],
  onProgress: ((share: number) => void) | undefined,
): Promise<Float32Array> {
  const all = new Float32Array(scoredTokens(windows));
  let done = 0;
  for (const window of windows) {
    const { logProbs } = await scorer.score({
      ...window,
      ...{ reference: 'none', place: 0, learn: false },
    });
    all.set(logProbs, done);
    done += logProbs.length;
    onProgress?.(done / all.length);
  }
  return all;
}

/** Mean of some numbers, and its standard error. */
export function meanOf(numbers: ArrayLike<number>): {
  readonly mean: number;
  readonly error: number;
} {
  const { length } = numbers;
  let sum = 0;
  for (let i = 0; i < length; i++) sum += numbers[i] ?? NaN;
  const mean = sum / length;
  let squares = 0;
  for (let i = 0; i < length; i++) squares += ((numbers[i] ?? NaN) - mean) ** 2;
  return { mean, error: Math.sqrt(squares / (length - 1) / length) };
}
