import type { GenerateSpec } from '../engine/driver.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { FakeCache } from './fake-cache.js';
import type { FakeModel } from './fake-model.js';

/** Most guesses of one step. */
const mostGuesses = 8;
/** Tokens that have to have stood together before, for what followed them to be guessed. */
const keyTokens = 2;

/** What a fake sequence guesses ahead in one generation: that its text repeats itself. */
export class FakeGuesses {
  readonly #model: FakeModel;
  readonly #most: number;
  /** Guessed tokens of the latest step that are not checked yet, each with the logits after it. */
  #ahead: readonly { readonly token: Token; readonly row: Float32Array }[] = [];
  /** The same before the token that was sampled last: what a broken engine takes for granted. */
  #before = this.#ahead;
  /** Logits after the last guess, where it was right. */
  #row: Float32Array | undefined;
  draftedTokens = 0;
  acceptedTokens = 0;

  /** Guesses for a generation, or nothing where it is to have none. */
  static for(model: FakeModel, spec: GenerateSpec): FakeGuesses | undefined {
    const asked = spec.speculation !== 'off' || model.fault === 'guesses-when-off';
    if (!asked || !model.capabilities.speculation) return undefined;
    // Its steps take no time, so that guesses never pay.
    const guesses = spec.speculation === 'always' && model.fault !== 'never-guesses';
    return new FakeGuesses(model, guesses ? mostGuesses : 0);
  }

  private constructor(model: FakeModel, most: number) {
    this.#model = model;
    this.#most = most;
  }

  /** Guessed tokens that are not checked yet. */
  get pending(): readonly Token[] {
    return this.#ahead.map(({ token }) => token);
  }

  /** Guessed tokens that were not checked before the last token, and the logits after them. */
  get unchecked(): { readonly tokens: readonly Token[]; readonly row: Float32Array | undefined } {
    return { tokens: this.#before.map(({ token }) => token), row: this.#before.at(-1)?.row };
  }

  /** Takes the token that was sampled: the next guess was right, or there are none any more. */
  check(token: Token): void {
    this.#before = this.#ahead;
    const [guess, ...rest] = this.#ahead;
    const right = guess?.token === token;
    this.#ahead = right ? rest : [];
    this.#row = right ? guess.row : undefined;
    if (right) this.acceptedTokens++;
    if (this.#model.fault === 'counts-wrong-guesses') this.acceptedTokens = this.draftedTokens;
  }

  /** Logits after the token that was checked and is in the cache: known, or by a step with new guesses. */
  rowAfter(cache: FakeCache): Float32Array {
    if (this.#row) return this.#row;
    const guesses = guess(cache.tokens, this.#most);
    const stepTokens = 1 + guesses.length;
    const computed = cache.copy();
    this.#ahead = guesses.map((token) => {
      computed.push(token);
      return { token, row: this.#model.logits(computed, stepTokens) };
    });
    this.draftedTokens += guesses.length;
    return this.#model.logits(cache, stepTokens);
  }
}

/** What followed the last tokens where they stood before, most recently. */
function guess(tokens: readonly Token[], most: number): readonly Token[] {
  const key = tokens.slice(-keyTokens);
  if (key.length < keyTokens) return [];
  for (let end = tokens.length - 1; end >= keyTokens; end--) {
    if (key.every((token, index) => tokens[end - keyTokens + index] === token)) {
      return tokens.slice(end, end + most);
    }
  }
  return [];
}
