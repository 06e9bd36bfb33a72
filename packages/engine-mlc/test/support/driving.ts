import { readdirSync } from 'node:fs';
import type { Token, TokenBatch } from '@mobillm/core';
import { drive } from '@mobillm/core/testing';
import { expect } from 'vitest';

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

/** What a generation samples, and how it ends: what two runs can be compared by. */
export async function collect(
  ...call: Parameters<typeof drive>
): Promise<{ readonly tokens: readonly Token[]; readonly finish: TokenBatch['finish'] }> {
  const { tokens, finish } = await drive(...call);
  return { tokens, finish };
}
