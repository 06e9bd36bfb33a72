import type {
  AdapterDriver,
  AdapterInfo,
  DriverAdapterOptions,
  DriverAdapterUse,
} from '../engine/driver.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { AppliedAdapter } from '../kv/kv-snapshot.js';
import type { ModelFiles } from '../store/model-files.js';
import type { FakeModel } from './fake-model.js';

/** Bytes of each adapter of the fake engine. */
export const fakeAdapterBytes = 8;

/** An adapter of the fake engine. */
export class FakeAdapter implements AdapterDriver {
  readonly model: FakeModel;
  readonly info: AdapterInfo;
  /** What tells it from another. */
  readonly digit: number;
  closed = false;

  constructor(model: FakeModel, digit: number) {
    this.model = model;
    this.digit = digit;
    this.info = {
      name: `Fake ${digit}`,
      sha256: String(digit).repeat(64),
      ...{ rank: 1, alpha: 1, matrixCount: 1, weightBytes: fakeAdapterBytes },
    };
  }

  close(): Promise<void> {
    if (this.model.fault !== 'closed-adapter-stays') this.closed = true;
    return Promise.resolve();
  }
}

/** `loadAdapter` of the fake engine: `/adapter-1.fake` and the like. */
export async function loadFakeAdapter(
  model: FakeModel,
  files: ModelFiles,
  { signal, onProgress }: DriverAdapterOptions,
): Promise<FakeAdapter> {
  await model.tick();
  if (model.fault !== 'adapter-ignores-abort') signal?.throwIfAborted();
  const path = files.files.find(({ role }) => role === 'adapter')?.path ?? '';
  const digit = Number(/^\/adapter-([1-3])\.fake$/u.exec(path)?.[1] ?? 0);
  if (digit === 0 && model.fault !== 'loads-missing-adapter') {
    throw new MobillmError('FILE_NOT_FOUND', `There is no file "${path}".`, { details: { path } });
  }
  onProgress?.(1);
  return new FakeAdapter(model, digit);
}

/** Adapters that a fake sequence, or a fake text, has applied. */
export class FakeAdapters {
  readonly #adapters: readonly FakeAdapter[];
  /** What tells the set from another; 0 for none. */
  readonly seed: number;
  /** As a lineage names them. */
  readonly applied: readonly AppliedAdapter[];

  constructor(model: FakeModel, uses: readonly DriverAdapterUse[] = []) {
    const own = uses.map(({ adapter, scale }, index) => {
      if (!(adapter instanceof FakeAdapter) || adapter.model !== model) {
        throw wrongValue(`adapters[${index}]`, 'must be an adapter of the same model');
      }
      return { adapter, scale: model.fault === 'adapter-ignores-scale' ? 1 : Math.fround(scale) };
    });
    const given = own.filter(({ scale }) => scale !== 0);
    this.#adapters = given.map(({ adapter }) => adapter);
    const ignored = model.fault === 'adapter-ignored';
    const sum = given.reduce(
      (total, { adapter, scale }) => total + adapter.digit * Math.round(4 * scale),
      0,
    );
    this.seed = ignored ? 0 : sum;
    this.applied = given
      .map(({ adapter: { info }, scale }) => ({ sha256: info.sha256, scale }))
      .sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  }

  /** Throws `CLOSED` where one was closed. */
  requireOpen(): void {
    if (!this.#adapters.some(({ closed }) => closed)) return;
    throw new MobillmError('CLOSED', 'An adapter that is applied was closed. Load it again.');
  }
}
