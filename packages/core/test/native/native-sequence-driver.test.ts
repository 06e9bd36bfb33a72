import { expect, it } from 'vitest';
import type { NativeKvImport, NativeSequence } from '../../src/native/native-sequence.js';
import { NativeSequenceDriver } from '../../src/native/native-sequence-driver.js';
import { sampleSnapshot } from '../kv/samples.js';

it('gives an addon the same tensors each time that it looks', async () => {
  const snapshot = sampleSnapshot();
  const { dtype, kvHeads, keyLength, valueLength, rope, lineage } = snapshot;
  const shape = { dtype, kvHeads, keyLength, valueLength, rope, layers: snapshot.layers.length };
  const given: NativeKvImport[] = [];
  const native = {
    tokenCount: snapshot.startPosition,
    kvShape: () => ({ ...shape, vocabularySize: 1000, contextTokens: 1000 }),
    importKv: (own: NativeKvImport) => Promise.resolve(void given.push(own)),
  };
  const driver = new NativeSequenceDriver(native as unknown as NativeSequence, {
    kv: { lineage: () => Promise.resolve(lineage) },
  });
  const { nextLogits: _, ...rest } = snapshot;
  const layers = snapshot.layers.map(({ keys, values }) => ({
    get keys() {
      return keys.slice();
    },
    get values() {
      return values.slice();
    },
  }));
  await driver.importKv({ ...rest, layers });
  const taken = given[0]!.layers;
  expect(taken).toEqual(snapshot.layers);
  for (const layer of taken) {
    expect(layer.keys).toBe(layer.keys);
    expect(layer.values).toBe(layer.values);
  }
});

it('says CLOSED, and nothing of tokens, when the sequence is closed before its cache is read', async () => {
  let closed = false;
  const native = {
    get tokenCount() {
      return closed ? 0 : 9;
    },
    kvShape: () => {
      if (closed) throw Object.assign(new Error('Closed.'), { code: 'CLOSED' });
      return {};
    },
  };
  const driver = new NativeSequenceDriver(native as unknown as NativeSequence, {
    kv: {
      lineage: () => {
        closed = true;
        return Promise.resolve(sampleSnapshot().lineage);
      },
    },
  });
  await expect(driver.exportKv({ fromToken: 5 })).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(driver.exportKv({ fromToken: 5 })).rejects.toMatchObject({ code: 'CLOSED' });
});
