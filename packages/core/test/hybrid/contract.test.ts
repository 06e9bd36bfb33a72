import { temporaryFolder } from '../temporary-folder.js';
import type { EngineDriver } from '../../src/engine/driver.js';
import type { EngineCapabilities } from '../../src/engine/capabilities.js';
import { createHybridEngine } from '../../src/hybrid/create-hybrid-engine.js';
import {
  createFakeEngine,
  describeEngine,
  driverOf,
  fakeFiles,
  fakeMissingPath,
} from '../../src/testing/index.js';

/** The driver of a hybrid of two fakes that store and step differently. */
function createDriver(
  prefill: Partial<EngineCapabilities> = {},
  decode: Partial<EngineCapabilities> = {},
): EngineDriver {
  const hybrid = createHybridEngine({
    prefill: {
      engine: createFakeEngine({
        name: 'npu',
        prefillChunkTokens: 32,
        kv: { dtype: 'f16', pairing: 'neox' },
        capabilities: prefill,
      }),
      files: fakeFiles,
    },
    decode: {
      engine: createFakeEngine({
        name: 'cpu',
        prefillChunkTokens: 16,
        kv: { dtype: 'f32', pairing: 'interleaved' },
        capabilities: decode,
      }),
      files: fakeFiles,
    },
  });
  return driverOf(hybrid);
}

const common = { files: fakeFiles, folder: temporaryFolder(), missingPath: fakeMissingPath };

describeEngine('a hybrid of two fakes', { ...common, createDriver: () => createDriver() });

describeEngine('a hybrid that cannot send caches back', {
  ...common,
  createDriver: () => createDriver({ importKv: false }),
});

describeEngine('a hybrid with the least capabilities', {
  ...common,
  createDriver: () =>
    createDriver(
      {
        importKv: false,
        maxSequences: 1,
        truncate: 'all-or-nothing',
        copySequence: false,
        estimate: false,
      },
      { exportKv: false, truncate: 'all-or-nothing', logprobs: false, sampling: [] },
    ),
});
