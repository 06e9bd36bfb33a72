import { afterEach, beforeEach, describe } from 'vitest';
import type { ModelStore } from '../store/model-store.js';
import { testStoreAdding } from './store/store-adding.js';
import { testStoreClosing } from './store/store-closing.js';
import { testStoreFinding } from './store/store-finding.js';
import { testStoreRefusing } from './store/store-refusing.js';
import { testStoreRemoving } from './store/store-removing.js';
import type { StoreFixture } from './store/store-fixture.js';

/** What {@link describeModelStore} needs. */
export interface DescribeModelStoreOptions {
  /**
   * Opens the store that keeps its models in a folder of this machine; the folder may be missing.
   * Called again for the same folder, it opens the same store.
   */
  readonly open: (directory: string) => ModelStore | Promise<ModelStore>;
}

/**
 * The contract of a model store as tests. Models are random-weight GGUF files of half a megabyte
 * that the suite makes in a temporary folder. Node alone.
 */
export function describeModelStore(name: string, options: DescribeModelStoreOptions): void {
  describe(`${name} meets the model store contract`, () => {
    const fixture = {} as { -readonly [K in keyof StoreFixture]: StoreFixture[K] };
    let opened: ModelStore[] = [];

    beforeEach(async () => {
      const { mkdtemp } = await import('node:fs/promises');
      const { tmpdir } = await import('node:os');
      fixture.folder = await mkdtemp(`${tmpdir()}/mobillm-store-suite-`);
      fixture.reopen = async () => {
        const store = await options.open(`${fixture.folder}/store`);
        opened.push(store);
        return store;
      };
      fixture.store = await fixture.reopen();
    });

    afterEach(async () => {
      await Promise.all(opened.map((store) => store.close()));
      opened = [];
      const { rm } = await import('node:fs/promises');
      await rm(fixture.folder, { recursive: true, force: true });
    });

    testStoreAdding(fixture);
    testStoreRefusing(fixture);
    testStoreFinding(fixture);
    testStoreRemoving(fixture);
    testStoreClosing(fixture);
  });
}
