import type { Token } from '@mobillm/core';
import { drive } from '@mobillm/core/testing';

/** The tokens that a generation samples. */
export async function sample(...call: Parameters<typeof drive>): Promise<readonly Token[]> {
  return (await drive(...call)).tokens;
}
