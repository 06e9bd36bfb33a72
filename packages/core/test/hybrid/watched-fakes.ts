import type { EngineDriver, ModelDriver, SequenceDriver } from '../../src/engine/driver.js';
import type { Engine } from '../../src/engine/engine.js';
import {
  createHybridEngine,
  type HybridEngine,
  type HybridEngineOptions,
} from '../../src/hybrid/create-hybrid-engine.js';
import type { KvSnapshot } from '../../src/kv/kv-snapshot.js';
import { createEngine } from '../../src/runtime/create-engine.js';
import { createFakeDriver, type FakeEngineOptions, fakeFiles } from '../../src/testing/index.js';

/** What was asked of one side, in order. */
export interface Watched {
  readonly engine: Engine;
  /** New tokens of each generation. */
  readonly computed: number[];
  /** Tokens of each cache that was read. */
  readonly exported: number[];
  /** Tokens of each cache that was appended. */
  readonly imported: number[];
  /** Models that were opened, in order. */
  readonly models: ModelDriver[];
  /** Sequences that were opened, in order, but for those of the trial at opening. */
  readonly sequences: SequenceDriver[];
}

/** A fake engine that remembers what was asked of its sequences. */
export function watchedFake(options: FakeEngineOptions): Watched {
  const watched: Omit<Watched, 'engine'> = {
    computed: [],
    exported: [],
    imported: [],
    models: [],
    sequences: [],
  };
  const driver = createFakeDriver(options);
  const watching: EngineDriver = {
    ...driver,
    async open(files, openOptions) {
      const model = await driver.open(files, openOptions);
      watched.models.push(model);
      const create = model.createSequence.bind(model);
      model.createSequence = async () => {
        const sequence = await create();
        watch(sequence, watched);
        return sequence;
      };
      return model;
    },
  };
  return { engine: createEngine(watching), ...watched };
}

function watch(sequence: SequenceDriver, watched: Omit<Watched, 'engine'>): void {
  watched.sequences.push(sequence);
  const generate = sequence.generate.bind(sequence);
  const exportKv = sequence.exportKv!.bind(sequence);
  const importKv = sequence.importKv!.bind(sequence);
  sequence.generate = (tokens, spec, signal) => {
    watched.computed.push(tokens.length);
    return generate(tokens, spec, signal);
  };
  let trial = false;
  sequence.exportKv = async (options) => {
    const snapshot = await exportKv(options);
    trial = isEmpty(snapshot);
    if (!trial) watched.exported.push(snapshot.tokens.length);
    return snapshot;
  };
  sequence.importKv = async (snapshot, signal) => {
    await importKv(snapshot, signal);
    trial = isEmpty(snapshot);
    if (!trial) watched.imported.push(snapshot.tokens.length);
  };
  const close = sequence.close.bind(sequence);
  sequence.close = () => {
    if (trial) watched.sequences.splice(watched.sequences.indexOf(sequence), 1);
    return close();
  };
}

/** What is handed over when a hybrid is opened, to see whether it can be. */
function isEmpty({ tokens, nextLogits }: KvSnapshot): boolean {
  return tokens.length === 0 && nextLogits === undefined;
}

/** A hybrid of two watched fakes that store, rotate and step differently. */
export function watchedHybrid(
  options: {
    readonly prefill?: FakeEngineOptions;
    readonly decode?: FakeEngineOptions;
    readonly hybrid?: Partial<HybridEngineOptions>;
  } = {},
): { readonly hybrid: HybridEngine; readonly prefill: Watched; readonly decode: Watched } {
  const prefill = watchedFake({
    name: 'npu',
    prefillChunkTokens: 32,
    kv: { dtype: 'f16', pairing: 'neox' },
    ...options.prefill,
  });
  const decode = watchedFake({
    name: 'cpu',
    kv: { dtype: 'f32', pairing: 'interleaved' },
    ...options.decode,
  });
  const hybrid = createHybridEngine({
    prefill: { engine: prefill.engine, files: fakeFiles },
    decode: { engine: decode.engine, files: fakeFiles },
    ...options.hybrid,
  });
  return { hybrid, prefill, decode };
}
