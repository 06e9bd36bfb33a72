import type { ExportKvOptions } from '../engine/driver.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import { convertKvSnapshot } from '../kv/convert-kv-snapshot.js';
import type { KvSnapshot } from '../kv/kv-snapshot.js';
import { requireImportable } from '../kv/require-importable.js';
import type { FakeAdapters } from './fake-adapter.js';
import { type FakeCache, fakeGeometry } from './fake-cache.js';
import type { FakeFault } from './fake-faults.js';
import type { FakeModel } from './fake-model.js';

/** `exportKv` of the fake engine. */
export async function exportFakeKv(
  model: FakeModel,
  cache: FakeCache,
  nextLogits: Float32Array | undefined,
  { fromToken = 0, signal, adapters }: ExportKvOptions & { readonly adapters: FakeAdapters },
): Promise<KvSnapshot> {
  const { fault } = model;
  if (fault !== 'export-ignores-abort') signal?.throwIfAborted();
  if (!Number.isInteger(fromToken) || fromToken < 0 || fromToken > cache.length) {
    throw wrongValue('fromToken', `must be from 0 to ${cache.length}, but it is ${fromToken}`);
  }
  const from = fault === 'export-ignores-from-token' ? 0 : fromToken;
  const { kvHeads, keyLength, valueLength } = fakeGeometry;
  const exported = cache.export(from);
  return {
    version: 1,
    lineage: {
      ...(await model.lineage()),
      ...(fault !== 'export-forgets-adapters' && { adapters: adapters.applied }),
    },
    startPosition: fault === 'export-forgets-start-position' ? 0 : from,
    kvHeads,
    keyLength,
    valueLength,
    ...exported,
    ...(fault === 'export-names-other-pairing' && {
      rope: {
        ...exported.rope,
        pairing: exported.rope.pairing === 'neox' ? 'interleaved' : 'neox',
      },
    }),
    ...(nextLogits && { nextLogits: Float32Array.from(nextLogits) }),
  };
}

/** `importKv` of the fake engine; the logits of the snapshot are the caller's to keep. */
export async function importFakeKv(
  model: FakeModel,
  cache: FakeCache,
  snapshot: KvSnapshot,
  {
    signal,
    adapters,
  }: { readonly signal: AbortSignal | undefined; readonly adapters: FakeAdapters },
): Promise<void> {
  const { fault } = model;
  if (fault !== 'import-ignores-abort') signal?.throwIfAborted();
  try {
    requireImportable(snapshot, {
      geometry: fakeGeometry,
      lineage: { ...(await model.lineage()), adapters: adapters.applied },
      tokenCount: cache.length,
      contextTokens:
        cache.length + Math.min(model.contextTokens - cache.length, model.freePoolTokens),
    });
  } catch (error) {
    if (fault === 'failed-import-leaves-tokens') cache.push(0);
    if (fault === undefined || faultThatAllows(error) !== fault) throw error;
    cache.import({ tokens: snapshot.tokens.map((token) => token & 0xff), layers: snapshot.layers });
    return;
  }
  const { dtype, pairing } = model.kv;
  const read = convertKvSnapshot(snapshot, {
    ...(fault !== 'import-ignores-dtype' && { dtype }),
    ...(fault !== 'import-ignores-pairing' && { pairing }),
  });
  if (fault === 'import-replaces') cache.cut(0);
  cache.import(read);
  if (fault === 'import-loses-values' && read.tokens.length > 0) cache.wipe(cache.length - 1);
}

/** The fault whose engine would have taken what was refused with an error. */
function faultThatAllows(error: unknown): FakeFault | undefined {
  if (!MobillmError.is(error)) return undefined;
  const { details } = error;
  if (error.code === 'CONTEXT_FULL') return 'import-overfills-context';
  if (String(details['differing']) === 'adapters') return 'import-ignores-adapters';
  if ('differing' in details) return 'import-ignores-lineage';
  if ('startPosition' in details) return 'import-ignores-start-position';
  const part = typeof details['part'] === 'string' ? details['part'] : '';
  if (part === 'version') return 'import-ignores-version';
  if (part === 'a token') return 'import-takes-any-token';
  if (part.startsWith('nextLogits')) return 'import-takes-any-logits';
  if (part.startsWith('rope.')) return 'import-ignores-rope';
  if (part.startsWith('layers[')) return 'import-ignores-lengths';
  return 'import-ignores-shape';
}
