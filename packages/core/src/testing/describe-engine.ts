import { afterAll, beforeAll, describe } from 'vitest';
import type { EngineDriver, ModelDriver } from '../engine/driver.js';
import { testDriverAdapters } from './engine/driver-adapters.js';
import { testDriverClosing } from './engine/driver-closing.js';
import { testDriverCopying } from './engine/driver-copying.js';
import { testDriverEmbedding } from './engine/driver-embedding.js';
import { testDriverGenerating } from './engine/driver-generating.js';
import { testDriverGrammar } from './engine/driver-grammar.js';
import { testDriverKvExport } from './engine/driver-kv-export.js';
import { testDriverKvImport } from './engine/driver-kv-import.js';
import { testDriverOpening } from './engine/driver-opening.js';
import { testDriverPrefilling } from './engine/driver-prefilling.js';
import { testDriverReranking } from './engine/driver-reranking.js';
import { testDriverSampling } from './engine/driver-sampling.js';
import { testDriverSequences } from './engine/driver-sequences.js';
import { testDriverSpeculating } from './engine/driver-speculating.js';
import { testEngineModels } from './engine/engine-models.js';
import { testEngineSamples } from './engine/engine-samples.js';
import { testEngineSessions } from './engine/engine-sessions.js';
import {
  type DescribeEngineOptions,
  type EngineFixture,
  suiteOpenOptions,
} from './engine/fixture.js';
import { recordResults } from './engine/record-results.js';

export type { DescribeEngineOptions } from './engine/fixture.js';

/**
 * The contract of an engine as tests: every promise of the driver interfaces, and what core makes of
 * them. Tests of what the engine does not declare are skipped, with the capability as the reason.
 *
 * Where the environment variable `MOBILLM_CONTRACT_TABLE` names a folder, the results are written there
 * for `formatContractTable`.
 */
export function describeEngine(name: string, options: DescribeEngineOptions): void {
  describe(`${name} meets the engine contract`, () => {
    recordResults(name);
    const fixture = { options } as { -readonly [K in keyof EngineFixture]: EngineFixture[K] };

    beforeAll(async () => {
      fixture.driver = await options.createDriver();
      fixture.model = await fixture.driver.open(
        options.files,
        suiteOpenOptions(options, Math.min(3, fixture.driver.capabilities.maxSequences)),
      );
    }, 120_000);

    afterAll(async () => {
      await (fixture.model as ModelDriver | undefined)?.close();
      await (fixture.driver as EngineDriver | undefined)?.close?.();
    });

    testDriverOpening(fixture);
    testDriverGenerating(fixture);
    testDriverSampling(fixture);
    testDriverGrammar(fixture);
    testDriverSpeculating(fixture);
    testDriverPrefilling(fixture);
    testDriverSequences(fixture);
    testDriverCopying(fixture);
    testDriverKvExport(fixture);
    testDriverKvImport(fixture);
    testDriverAdapters(fixture);
    testDriverEmbedding(fixture);
    testDriverReranking(fixture);
    testDriverClosing(fixture);
    testEngineModels(fixture);
    testEngineSamples(fixture);
    testEngineSessions(fixture);
  });
}
