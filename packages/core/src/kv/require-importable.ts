import { MobillmError } from '../errors/mobillm-error.js';
import { checkKvShape } from './check-kv-snapshot.js';
import type { KvLineage, KvRope, KvSnapshot } from './kv-snapshot.js';

/** What a model's caches are like, whatever their number format and pairing. */
export interface KvGeometry {
  /** Layers with keys and values. */
  readonly layers: number;
  /** Key and value heads a layer. */
  readonly kvHeads: number;
  /** Values in a key head. */
  readonly keyLength: number;
  /** Values in a value head. */
  readonly valueLength: number;
  /** Rotation of the keys, the pairing left out: that can be converted. */
  readonly rope: Omit<KvRope, 'pairing'>;
  /** Tokens of the vocabulary, which is also the length of `nextLogits`. */
  readonly vocabularySize: number;
}

/** The sequence that a snapshot is to be appended to. */
export interface KvTarget {
  /** What the model's caches are like. */
  readonly geometry: KvGeometry;
  /** The model's weights. */
  readonly lineage: KvLineage;
  /** Tokens in the cache now. */
  readonly tokenCount: number;
  /** Context of the sequence, in tokens. */
  readonly contextTokens: number;
}

/**
 * Checks that a snapshot can be appended to a sequence: for the `importKv` of drivers, before anything
 * is touched. The numbers in its tensors are not looked at.
 *
 * @throws MobillmError `KV_MISMATCH` when it is no sound snapshot, belongs to other weights, has
 * another shape or does not begin where the cache ends; `CONTEXT_FULL` when it does not fit.
 */
export function requireImportable(snapshot: KvSnapshot, target: KvTarget): void {
  checkKvShape(snapshot);
  requireLineage(target.lineage, snapshot.lineage);
  requireGeometry(snapshot, target.geometry);
  const { tokenCount, contextTokens } = target;
  if (snapshot.startPosition !== tokenCount) {
    throw new MobillmError(
      'KV_MISMATCH',
      `The KV snapshot begins at position ${snapshot.startPosition}, and the cache holds ${tokenCount} tokens. Export from where this cache ends.`,
      { details: { startPosition: snapshot.startPosition, tokenCount } },
    );
  }
  const snapshotTokens = snapshot.tokens.length;
  if (tokenCount + snapshotTokens > contextTokens) {
    throw new MobillmError(
      'CONTEXT_FULL',
      `The KV snapshot has ${snapshotTokens} tokens, the cache holds ${tokenCount} of ${contextTokens}. Open the model with a larger "contextTokens".`,
      { details: { promptTokens: tokenCount + snapshotTokens, contextTokens } },
    );
  }
}

/**
 * Checks that two caches belong to the same weights.
 *
 * @throws MobillmError `KV_MISMATCH` with a sentence that names what differs.
 */
export function requireLineage(expected: KvLineage, actual: KvLineage): void {
  const differing = lineageParts.filter(({ key }) => expected[key] !== actual[key]);
  if (differing.length === 0) {
    requireAdapters(expected, actual);
    return;
  }
  const facts = differing.map(
    ({ key, name }) =>
      `${name} is ${actual[key].slice(0, 16)} instead of ${expected[key].slice(0, 16)}`,
  );
  throw new MobillmError(
    'KV_MISMATCH',
    `A KV cache can be handed over between forms of one model only: ${facts.join(', ')}. Use files that were made from the same source.`,
    { details: { differing: differing.map(({ key }) => key), expected, actual } },
  );
}

/** Keys and values come out of the adapted weights: those of other adapters, or scales, do not fit. */
function requireAdapters(expected: KvLineage, actual: KvLineage): void {
  const [here, there] = [expected, actual].map(({ adapters = [] }) =>
    adapters
      .map(({ sha256, scale }) => `${sha256.slice(0, 16)} at ${Math.fround(scale)}`)
      .sort()
      .join(', '),
  );
  if (here === there) return;
  throw new MobillmError(
    'KV_MISMATCH',
    `The KV cache was computed with ${there ? `the adapters ${there}` : 'no adapter'}, and here ${here ? `the adapters ${here} are` : 'none is'} applied. Apply the same ones at the same scales, or compute the cache again.`,
    { details: { differing: ['adapters'], expected, actual } },
  );
}

const lineageParts = [
  { key: 'sourceSha256', name: 'the sha256 of the source file' },
  { key: 'architecture', name: 'the architecture' },
  { key: 'vocabularySha256', name: 'the sha256 of the vocabulary' },
] as const satisfies readonly {
  readonly key: Exclude<keyof KvLineage, 'adapters'>;
  readonly name: string;
}[];

function requireGeometry(snapshot: KvSnapshot, geometry: KvGeometry): void {
  const facts: readonly (readonly [name: string, actual: number, expected: number])[] = [
    ['layers', snapshot.layers.length, geometry.layers],
    ['kvHeads', snapshot.kvHeads, geometry.kvHeads],
    ['keyLength', snapshot.keyLength, geometry.keyLength],
    ['valueLength', snapshot.valueLength, geometry.valueLength],
    ['rope.base', snapshot.rope.base, geometry.rope.base],
    ['rope.scale', snapshot.rope.scale, geometry.rope.scale],
    ['rope.rotatedLength', snapshot.rope.rotatedLength, geometry.rope.rotatedLength],
    ['nextLogits', snapshot.nextLogits?.length ?? geometry.vocabularySize, geometry.vocabularySize],
  ];
  // One form of a model may hold a rope base as f32 and another as it was written.
  const wrong = facts.find(([, actual, expected]) => Math.fround(actual) !== Math.fround(expected));
  if (wrong) throw otherShape(...wrong);
  const token = snapshot.tokens.find((item) => item >= geometry.vocabularySize);
  if (token !== undefined) throw otherShape('a token', token, geometry.vocabularySize - 1);
}

function otherShape(name: string, actual: number, expected: number): MobillmError {
  return new MobillmError(
    'KV_MISMATCH',
    `The KV snapshot has another shape than this model's cache: ${name} is ${actual}, and here ${expected}.`,
    { details: { part: name, actual, expected } },
  );
}
