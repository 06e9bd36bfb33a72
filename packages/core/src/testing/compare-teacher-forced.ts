import type { ModelDriver, SequenceDriver } from '../engine/driver.js';
import type { Token } from '../tokenizer/tokenizer.js';
import { type Next, type NextCapabilities, nextOf, type Scores } from './engine/comparing.js';

/** A model to be compared. */
export interface TeacherForcedSide {
  /** The model, with a free sequence. */
  readonly model: ModelDriver;
  /** What its engine declares; it needs `exportKv`, by which logits are read, or `logprobs`. */
  readonly capabilities: NextCapabilities;
}

/** Options of {@link compareTeacherForced}. */
export interface TeacherForcedOptions {
  /** What is taken to be right. */
  readonly reference: TeacherForcedSide;
  /** What is compared with it. */
  readonly candidate: TeacherForcedSide;
  /** Prompts, as text for the reference's vocabulary or as tokens. */
  readonly prompts: readonly (string | readonly Token[])[];
  /** Positions to compare after each prompt, the one after the prompt itself included. */
  readonly steps: number;
  /**
   * Difference between the reference's two best logits above which both have to choose the same token;
   * what rounding can do to a difference of logits.
   */
  readonly margin: number;
}

/** What {@link compareTeacherForced} found. */
export interface TeacherForcedResult {
  /** Positions at which both had to agree, and did. */
  readonly compared: number;
  /** Positions at which the reference itself was nearly undecided. */
  readonly skipped: number;
  /**
   * Largest difference of two logits at any position, skipped ones included; of log-probabilities of
   * the best tokens where one side cannot tell logits.
   */
  readonly largestDifference: number;
}

/** A position at which the candidate chose another token. */
interface Disagreement {
  readonly prompt: number;
  readonly step: number;
  readonly expected: Token;
  readonly actual: Token;
  readonly margin: number;
}

/**
 * Compares two engines on one model's weights: the reference decodes greedily, both are fed the same
 * tokens one by one, and wherever the reference is sure, the candidate has to be of its opinion. So one
 * near-tie does not send the rest of a text another way, and no wrong cache hides behind a right word.
 *
 * @throws Error when they disagree, or when the reference was nowhere sure.
 */
export async function compareTeacherForced(
  options: TeacherForcedOptions,
): Promise<TeacherForcedResult> {
  const { reference, candidate, prompts, steps, margin } = options;
  const disagreements: Disagreement[] = [];
  let [compared, skipped, largestDifference] = [0, 0, 0];
  for (const [index, prompt] of prompts.entries()) {
    const tokens =
      typeof prompt === 'string'
        ? reference.model.tokenizer.encode(prompt, { addSpecial: true })
        : prompt;
    for await (const [step, expected, actual] of positions(reference, candidate, tokens, steps)) {
      largestDifference = Math.max(largestDifference, differenceOf(expected, actual));
      const own = marginOf(expected);
      if (own <= margin) skipped++;
      else if (expected.token === actual.token) compared++;
      else {
        const both = { expected: expected.token, actual: actual.token };
        disagreements.push({ prompt: index, step, ...both, margin: own });
      }
    }
  }
  const result = { compared, skipped, largestDifference };
  const [first] = disagreements;
  if (first) throw disagreement(first, disagreements.length, result);
  if (compared === 0) {
    throw new Error(
      `the reference was nowhere sure: of ${skipped} positions none has a margin above ${margin}`,
    );
  }
  return result;
}

/** Feeds both the reference's choices and gives what each then tells. */
async function* positions(
  reference: TeacherForcedSide,
  candidate: TeacherForcedSide,
  prompt: readonly Token[],
  steps: number,
): AsyncGenerator<readonly [step: number, expected: Next, actual: Next]> {
  const opened: SequenceDriver[] = [];
  const open = async ({ model }: TeacherForcedSide) => {
    const sequence = await model.createSequence();
    opened.push(sequence);
    return sequence;
  };
  try {
    const [first, second] = [await open(reference), await open(candidate)];
    let tokens = prompt;
    for (let step = 0; step < steps; step++) {
      // Both are fed the same, so they compute side by side.
      const [expected, actual] = await Promise.all([
        nextOf(reference.capabilities, first, tokens),
        nextOf(candidate.capabilities, second, tokens),
      ]);
      yield [step, requireScores(expected), requireScores(actual)];
      tokens = [expected.token];
    }
  } finally {
    await Promise.all(opened.map((sequence) => sequence.close()));
  }
}

function requireScores(next: Next): Next {
  if (next.kind !== 'none') return next;
  throw new Error('an engine with neither "exportKv" nor "logprobs" cannot be compared');
}

/** Difference between the two best scores. */
function marginOf({ scores }: Next): number {
  let [best, second] = [-Infinity, -Infinity];
  scores.forEach((score) => {
    if (score > best) {
      second = best;
      best = score;
    } else if (score > second) second = score;
  });
  return best - second;
}

function differenceOf(expected: Next, actual: Next): number {
  const alike = expected.kind === actual.kind;
  const [a, b] = alike
    ? [expected.scores, actual.scores]
    : [logprobsOf(expected), logprobsOf(actual)];
  let difference = 0;
  a.forEach((score, token) => {
    const other = b.get(token);
    // A token that neither can sample has the logit -Infinity on both sides.
    if (other === undefined || other === score) return;
    difference = Math.max(difference, Math.abs(other - score));
  });
  return difference;
}

function logprobsOf({ token, scores, kind }: Next): Scores {
  if (kind !== 'logits') return scores;
  const best = scores.get(token) ?? 0;
  let total = 0;
  scores.forEach((score) => {
    total += Math.exp(score - best);
  });
  const shift = best + Math.log(total);
  const logprobs = new Map<Token, number>();
  scores.forEach((score, each) => logprobs.set(each, score - shift));
  return logprobs;
}

function disagreement(first: Disagreement, count: number, result: TeacherForcedResult): Error {
  const { prompt, step, expected, actual, margin } = first;
  const positions = result.compared + result.skipped + count;
  return new Error(
    `the candidate disagrees at ${count} of ${positions} positions, first at prompt ${prompt}, step ${step}: token ${actual} instead of ${expected}, which the reference prefers by ${margin.toFixed(4)}; the largest difference of logits is ${result.largestDifference.toFixed(4)}`,
  );
}
