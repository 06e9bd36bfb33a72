import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { checkKvShape } from './check-kv-snapshot.js';
import { numberBytes } from './float-formats.js';
import type { KvSnapshot } from './kv-snapshot.js';
import { requireLineage } from './require-importable.js';

/**
 * The end of a snapshot: its tokens from `fromToken` on, counted from its own first one. `nextLogits`
 * stay.
 *
 * @throws InvalidArgument when it has fewer tokens; MobillmError `KV_MISMATCH` when it is not sound.
 */
export function sliceKvSnapshot(snapshot: KvSnapshot, fromToken: number): KvSnapshot {
  checkKvShape(snapshot);
  const count = snapshot.tokens.length;
  if (!Number.isInteger(fromToken) || fromToken < 0 || fromToken > count) {
    throw wrongValue('fromToken', `must be an integer from 0 to ${count}, but it is ${fromToken}`);
  }
  if (fromToken === 0) return snapshot;
  const cut = (tensor: Uint8Array, headLength: number): Uint8Array => {
    const row = headLength * numberBytes(snapshot.dtype);
    const result = new Uint8Array(snapshot.kvHeads * (count - fromToken) * row);
    for (let head = 0; head < snapshot.kvHeads; head++) {
      const rows = tensor.subarray((head * count + fromToken) * row, (head + 1) * count * row);
      result.set(rows, head * (count - fromToken) * row);
    }
    return result;
  };
  return {
    ...snapshot,
    startPosition: snapshot.startPosition + fromToken,
    tokens: snapshot.tokens.slice(fromToken),
    layers: snapshot.layers.map(({ keys, values }) => ({
      keys: cut(keys, snapshot.keyLength),
      values: cut(values, snapshot.valueLength),
    })),
  };
}

/**
 * One snapshot of two that follow each other. `nextLogits` are those of `tail`, or those of `head`
 * where `tail` has no tokens and none of its own.
 *
 * @throws MobillmError `KV_MISMATCH` when they do not follow each other, or differ in form, shape or
 * weights; {@link convertKvSnapshot} gives both one form.
 */
export function joinKvSnapshots(head: KvSnapshot, tail: KvSnapshot): KvSnapshot {
  checkKvShape(head);
  checkKvShape(tail);
  requireLineage(head.lineage, tail.lineage);
  requireAlike(head, tail);
  const [first, second] = [head.tokens.length, tail.tokens.length];
  const join = (a: Uint8Array, b: Uint8Array, headLength: number): Uint8Array => {
    const row = headLength * numberBytes(head.dtype);
    const result = new Uint8Array(a.length + b.length);
    for (let index = 0; index < head.kvHeads; index++) {
      const at = index * (first + second) * row;
      result.set(a.subarray(index * first * row, (index + 1) * first * row), at);
      result.set(b.subarray(index * second * row, (index + 1) * second * row), at + first * row);
    }
    return result;
  };
  const { nextLogits: headLogits, ...whole } = head;
  const nextLogits = tail.nextLogits ?? (second === 0 ? headLogits : undefined);
  return {
    ...whole,
    tokens: [...head.tokens, ...tail.tokens],
    layers: head.layers.map(({ keys, values }, index) => {
      const other = tail.layers[index];
      if (!other) throw notJoined('layers', head.layers.length, tail.layers.length);
      return {
        keys: join(keys, other.keys, head.keyLength),
        values: join(values, other.values, head.valueLength),
      };
    }),
    ...(nextLogits && { nextLogits }),
  };
}

function requireAlike(head: KvSnapshot, tail: KvSnapshot): void {
  const pairs: readonly (readonly [part: string, head: unknown, tail: unknown])[] = [
    ['startPosition', head.startPosition + head.tokens.length, tail.startPosition],
    ['dtype', head.dtype, tail.dtype],
    ['kvHeads', head.kvHeads, tail.kvHeads],
    ['keyLength', head.keyLength, tail.keyLength],
    ['valueLength', head.valueLength, tail.valueLength],
    ['rope.pairing', head.rope.pairing, tail.rope.pairing],
    ['rope.base', head.rope.base, tail.rope.base],
    ['rope.scale', head.rope.scale, tail.rope.scale],
    ['rope.rotatedLength', head.rope.rotatedLength, tail.rope.rotatedLength],
    ['layers', head.layers.length, tail.layers.length],
  ];
  const wrong = pairs.find(([, a, b]) => a !== b);
  if (wrong) throw notJoined(...wrong);
}

function notJoined(part: string, expected: unknown, actual: unknown): MobillmError {
  return new MobillmError(
    'KV_MISMATCH',
    `These KV snapshots cannot be joined: ${part} of the second is ${String(actual)}, and it would have to be ${String(expected)}.`,
    { details: { part, expected, actual } },
  );
}
