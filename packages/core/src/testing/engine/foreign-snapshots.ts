import type { ModelDriver } from '../../engine/driver.js';
import type { KvSnapshot } from '../../kv/kv-snapshot.js';

/** A snapshot that a sequence must not take, made of one that it would. */
export interface ForeignSnapshot {
  /** What is wrong with it. */
  readonly title: string;
  /** Makes one. */
  readonly alter: (sound: KvSnapshot, model: ModelDriver) => KvSnapshot;
}

const otherSha256 = '0'.repeat(64);

/** Everything that `importKv` refuses with `KV_MISMATCH`. */
export const foreignSnapshots: readonly ForeignSnapshot[] = [
  {
    title: 'a snapshot of another version',
    alter: (sound) => ({ ...sound, version: 2 }) as unknown as KvSnapshot,
  },
  {
    title: 'a snapshot of other weights',
    alter: (sound) => withLineage(sound, { sourceSha256: otherSha256 }),
  },
  {
    title: 'a snapshot of another architecture',
    alter: (sound) => withLineage(sound, { architecture: 'another' }),
  },
  {
    title: 'a snapshot of another vocabulary',
    alter: (sound) => withLineage(sound, { vocabularySha256: otherSha256 }),
  },
  {
    title: 'a snapshot of fewer layers',
    alter: (sound) => ({ ...sound, layers: sound.layers.slice(1) }),
  },
  {
    title: 'a snapshot of more layers',
    alter: (sound) => ({ ...sound, layers: [...sound.layers, ...sound.layers.slice(0, 1)] }),
  },
  {
    // The same bytes in all.
    title: 'a snapshot of more and shorter heads',
    alter: (sound) => ({
      ...sound,
      kvHeads: sound.kvHeads * 2,
      keyLength: sound.keyLength / 2,
      valueLength: sound.valueLength / 2,
      rope: { ...sound.rope, rotatedLength: 0 },
    }),
  },
  {
    title: 'a snapshot with another frequency base',
    alter: (sound) => ({ ...sound, rope: { ...sound.rope, base: sound.rope.base * 2 } }),
  },
  {
    title: 'a snapshot with another frequency scale',
    alter: (sound) => ({ ...sound, rope: { ...sound.rope, scale: sound.rope.scale / 2 } }),
  },
  {
    title: 'a snapshot that begins elsewhere',
    alter: (sound) => ({ ...sound, startPosition: sound.startPosition + 1 }),
  },
  {
    title: 'a snapshot whose tensors are too short',
    alter: (sound) => ({
      ...sound,
      layers: sound.layers.map(({ keys, values }) => ({ keys: keys.slice(4), values })),
    }),
  },
  {
    title: 'a snapshot whose tensors are too long',
    alter: (sound) => ({
      ...sound,
      layers: sound.layers.map(({ keys, values }) => ({
        keys,
        values: Uint8Array.of(...values, 0, 0, 0, 0),
      })),
    }),
  },
  {
    title: 'a snapshot with more tokens than its tensors have',
    alter: (sound) => ({ ...sound, tokens: [...sound.tokens, 0] }),
  },
  {
    title: 'a snapshot with a token that the vocabulary lacks',
    alter: (sound, model) => ({
      ...sound,
      tokens: [...sound.tokens.slice(0, -1), model.tokenizer.vocabularySize],
    }),
  },
  {
    title: 'a snapshot with a negative token',
    alter: (sound) => ({ ...sound, tokens: [...sound.tokens.slice(0, -1), -1] }),
  },
  {
    title: 'a snapshot with logits of another vocabulary',
    alter: (sound) => ({ ...sound, nextLogits: Float32Array.of(1, 2, 3) }),
  },
];

function withLineage(sound: KvSnapshot, own: Partial<KvSnapshot['lineage']>): KvSnapshot {
  return { ...sound, lineage: { ...sound.lineage, ...own } };
}
