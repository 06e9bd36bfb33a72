import type { GbnfState } from '../../src/testing/gbnf-recognizer.js';

/** Numbers from 0 to below a bound that depend on a seed alone. */
export function drawer(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let hash = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) % below;
  };
}

/**
 * A text that a grammar generates, chosen by a seed; `undefined` where the walk has come to no end
 * within eight times so many characters.
 */
export function randomWalk(start: GbnfState, seed: number, characters: number): string | undefined {
  const draw = drawer(seed);
  let state = start;
  let text = '';
  for (let steps = 0; steps < 8 * characters; steps += 1) {
    const { next } = state;
    if (state.canEnd && (next.length === 0 || steps >= characters || draw(4) === 0)) return text;
    const [first, last] = next[draw(next.length)]!;
    // Mostly the first characters of a range, which are those that matter.
    const code = first + draw(Math.min(last - first + 1, draw(8) === 0 ? 0x110000 : 96));
    // Half of a surrogate pair is no character.
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const character = String.fromCodePoint(code);
    state = state.push(character)!;
    text += character;
  }
  return undefined;
}
