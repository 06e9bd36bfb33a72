import type { Token } from '@mobillm/core';

/** How a text is cut where it is longer than what a model reads at once. */
export interface WindowOptions {
  /** Tokens of a window, the beginning-of-text token included. */
  readonly windowTokens: number;
  /** Tokens that each window but the first one scores. */
  readonly strideTokens: number;
  /** Put before every window, where the vocabulary has one. */
  readonly bosToken: Token | undefined;
}

/** A part of a text, and what of it is scored. */
export interface TextWindow {
  /** Its tokens, copied when they are asked for: a long text has thousands of windows. */
  readonly tokens: Int32Array;
  /** How many those are. */
  readonly length: number;
  /** First token that is scored; those before it are what it is foreseen from. */
  readonly first: number;
}

/**
 * Windows in which every token of a text is scored once, but the first one where nothing stands before
 * it. The first window scores all that it has; every other one its last `strideTokens`, which so have at
 * least `windowTokens − strideTokens` tokens before them.
 */
export function textWindows(
  tokens: Int32Array,
  { windowTokens, strideTokens, bosToken }: WindowOptions,
): TextWindow[] {
  const head = bosToken === undefined ? 0 : 1;
  const room = windowTokens - head;
  const windows: TextWindow[] = [];
  for (let done = 0; done < tokens.length;) {
    const end = Math.min(tokens.length, done === 0 ? room : done + strideTokens);
    const begin = Math.max(0, end - room);
    windows.push({
      length: head + end - begin,
      first: Math.max(1, done - begin + head),
      get tokens() {
        const window = new Int32Array(head + end - begin);
        if (bosToken !== undefined) window[0] = bosToken;
        window.set(tokens.subarray(begin, end), head);
        return window;
      },
    });
    done = end;
  }
  return windows.filter(({ length, first }) => first < length);
}

/** Tokens that some windows score. */
export function scoredTokens(windows: readonly TextWindow[]): number {
  return windows.reduce((sum, { length, first }) => sum + length - first, 0);
}
