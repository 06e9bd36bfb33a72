import { expect } from 'vitest';
import type { EngineCapabilities } from '../../engine/capabilities.js';
import type { SequenceDriver } from '../../engine/driver.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { type Driven, drive, withSequence } from '../drive.js';
import type { EngineFixture } from './fixture.js';

/** A score by token: what a map offers, of which a row of logits needs none. */
export type Scores = Pick<ReadonlyMap<Token, number>, 'size' | 'get'> & {
  forEach(visit: (score: number, token: Token) => void): void;
};

/** What an engine tells of the token that comes next. */
export interface Next {
  /** The most probable token. */
  readonly token: Token;
  /** Logits, or log-probabilities of the best tokens, by token; empty where the engine tells neither. */
  readonly scores: Scores;
  /** Which of them the scores are. */
  readonly kind: 'logits' | 'logprobs' | 'none';
}

/** What an engine has to tell of the token that comes next. */
export type NextCapabilities = Pick<EngineCapabilities, 'exportKv' | 'logprobs'>;

/** Alternatives that are asked for where logits cannot be had. */
const alternatives = 20;

/**
 * Appends tokens and tells what comes next, as exactly as the engine can: by the logits that follow,
 * else by log-probabilities, else by the most probable token. Only `tokens` stay in the cache.
 */
export function nextAfter(
  fixture: EngineFixture,
  sequence: SequenceDriver,
  tokens: readonly Token[],
): Promise<Next> {
  return nextOf(fixture.driver.capabilities, sequence, tokens);
}

/** {@link nextAfter} for an engine of these capabilities. */
export async function nextOf(
  { exportKv, logprobs }: NextCapabilities,
  sequence: SequenceDriver,
  tokens: readonly Token[],
): Promise<Next> {
  if (exportKv && sequence.exportKv) {
    await drive(sequence, tokens, { maxTokens: 0, keepLogits: true });
    const { nextLogits } = await sequence.exportKv({ fromToken: sequence.tokenCount });
    if (!nextLogits) throw new Error('the engine was asked to keep the logits and has none');
    return nextOfLogits(nextLogits);
  }
  const run = await drive(sequence, tokens, {
    maxTokens: 1,
    logprobs: logprobs ? alternatives : undefined,
  });
  const top = run.logprobs[0]?.top ?? [];
  return {
    token: run.tokens[0] ?? -1,
    scores: new Map(top.map(({ token, logprob }) => [token, logprob])),
    kind: logprobs ? 'logprobs' : 'none',
  };
}

/** What a row of logits tells of the token that comes next. */
export function nextOfLogits(logits: Float32Array): Next {
  const scores: Scores = {
    size: logits.length,
    get: (token) => logits[token],
    forEach: (visit) => logits.forEach(visit),
  };
  return { token: largest(logits), scores, kind: 'logits' };
}

/** What a new sequence tells after these tokens, computed as one prompt. */
function freshNext(fixture: EngineFixture, tokens: readonly Token[]): Promise<Next> {
  return withSequence(fixture.model, (sequence) => nextAfter(fixture, sequence, tokens));
}

/** What a sequence told of the token after some tokens. */
export interface Continuation {
  /** What it told. */
  readonly next: Next;
  /** The tokens that its cache stands for. */
  readonly tokens: readonly Token[];
  /** Place of a token among them that matters: near what may have gone wrong. */
  readonly changed?: number;
}

/**
 * Uses a sequence and closes it; expects that what it then told comes next is what another one tells
 * that computed the same tokens as one prompt. One sequence is open at a time.
 */
export async function expectContinuation(
  fixture: EngineFixture,
  use: (sequence: SequenceDriver) => Promise<Continuation>,
): Promise<void> {
  await expectSameNext(fixture, await withSequence(fixture.model, use));
}

/**
 * Expects that two caches of the same tokens give the same continuation. Rounding differs with the
 * shape of a batch, so their difference may be a quarter of what one other token in the cache makes.
 */
async function expectSameNext(
  fixture: EngineFixture,
  { next: actual, tokens, changed = Math.max(0, tokens.length - 2) }: Continuation,
): Promise<void> {
  const expected = await freshNext(fixture, tokens);
  if (expected.scores.size === 0) {
    expect(actual.token).toBe(expected.token);
    return;
  }
  const other =
    tokens[changed] === tokens[0] ? tokens.find((token) => token !== tokens[0]) : tokens[0];
  const altered = tokens.with(changed, other ?? 0);
  const oneWrongToken = distance(await freshNext(fixture, altered), expected);
  expect(oneWrongToken, 'what one other token changes').toBeGreaterThan(0);
  expect(
    distance(actual, expected) / oneWrongToken,
    'difference of the logits, as a share of what one other token changes',
  ).toBeLessThanOrEqual(0.25);
}

/** Expects that what came next is nearer to what follows some tokens than to what follows others. */
export async function expectNearest(
  fixture: EngineFixture,
  actual: Next,
  tokens: readonly Token[],
  others: readonly Token[],
): Promise<void> {
  const expected = await freshNext(fixture, tokens);
  if (expected.scores.size === 0) return;
  const other = await freshNext(fixture, others);
  expect(distance(actual, expected), 'distance from what follows these tokens').toBeLessThan(
    distance(actual, other),
  );
}

/**
 * Expects that two greedy runs say the same, up to the first place where the reference nearly said
 * something else itself. That place cannot be the first.
 *
 * @param reference has log-probabilities where the engine reports them; else all tokens have to agree.
 */
export function expectSameRun(
  actual: Pick<Driven, 'tokens'>,
  reference: Pick<Driven, 'tokens' | 'logprobs'>,
): void {
  const parting = reference.tokens.findIndex((token, index) => actual.tokens[index] !== token);
  if (parting === -1) return;
  const [best, second] = reference.logprobs[parting]?.top ?? [];
  const margin = best && second ? best.logprob - second.logprob : Infinity;
  expect(parting, 'tokens that agree').toBeGreaterThan(0);
  expect(margin, `margin at token ${parting}, where the runs part`).toBeLessThan(nearTie);
}

/** Margin of log-probabilities within which rounding decides, on quantized weights too. */
const nearTie = 0.25;

/** Root of the mean squared difference over the tokens that both know, mean differences taken out. */
export function distance(a: Next, b: Next): number {
  const differences: number[] = [];
  b.scores.forEach((score, token) => {
    const other = a.scores.get(token);
    if (other !== undefined && Number.isFinite(other - score)) differences.push(other - score);
  });
  // Two lists of best tokens that have little in common are far apart.
  if (differences.length < b.scores.size / 2) return Infinity;
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / differences.length);
}

/** Place of the largest number. */
export function largest(numbers: Float32Array): number {
  return numbers.reduce((best, value, index) => (value > (numbers[best] ?? NaN) ? index : best), 0);
}
