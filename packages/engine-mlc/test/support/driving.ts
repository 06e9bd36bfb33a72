import { readdirSync } from 'node:fs';
import type { GenerateSpec, ModelDriver, SequenceDriver, Token, TokenBatch } from '@mobillm/core';
import { expect } from 'vitest';

/** A spec for greedy decoding that no token ends. */
export function greedySpec(own: Partial<GenerateSpec> = {}): GenerateSpec {
  return {
    maxTokens: 8,
    keepLogits: false,
    endTokens: new Set(),
    logprobs: undefined,
    creditTokens: 64,
    sampling: {
      logitBias: [],
      repeatPenalty: 1,
      frequencyPenalty: 0,
      presencePenalty: 0,
      penaltyLastTokens: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      temperature: 0,
      seed: 0,
    },
    ...own,
  };
}

/** Everything that a generation gives: its tokens, and how it ended. */
export async function collect(
  sequence: SequenceDriver,
  tokens: readonly Token[],
  own: Partial<GenerateSpec> = {},
  signal?: AbortSignal,
): Promise<{ readonly tokens: readonly Token[]; readonly finish: TokenBatch['finish'] }> {
  const sampled: Token[] = [];
  let finish: TokenBatch['finish'];
  for await (const batch of sequence.generate(tokens, greedySpec(own), signal)) {
    sampled.push(...batch.tokens);
    finish = batch.finish;
  }
  return { tokens: sampled, finish };
}

/** Opens a sequence, uses it and closes it. */
export async function withSequence<T>(
  model: ModelDriver,
  use: (sequence: SequenceDriver) => Promise<T>,
): Promise<T> {
  const sequence = await model.createSequence();
  try {
    return await use(sequence);
  } finally {
    await sequence.close();
  }
}

/** What a promise was rejected with; a text where it was not. */
export function failure(running: Promise<unknown>): Promise<unknown> {
  return running.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );
}

/** Expects an error of the package with this code, whose message is a sentence that says what to do. */
export function expectCoded(error: unknown, code: string, part: RegExp = /\w{3,} .*\.$/s): void {
  expect(error).toMatchObject({ name: 'MobillmError', code });
  const { message } = error as Error;

  expect(message).toMatch(part);
}

/** What a process holds that a failure could leave behind: open files and threads. Linux alone. */
export function heldByProcess(): { readonly files: number; readonly threads: number } {
  return {
    files: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  };
}
