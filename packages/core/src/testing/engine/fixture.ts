import type { EngineDriver, ModelDriver } from '../../engine/driver.js';
import type { ModelFiles } from '../../store/model-files.js';

/** What `describeEngine` needs of the engine under test. */
export interface DescribeEngineOptions {
  /** Makes a driver; called several times, and every one is closed. */
  readonly createDriver: () => Promise<EngineDriver> | EngineDriver;
  /** A small model, best of all a chat model, with a context of 512 tokens at least. */
  readonly files: ModelFiles;
  /** A path at which there is no file. */
  readonly missingPath: string;
  /** Options that `open` needs for this engine, for instance to make sums repeatable. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
}

/** The driver and model that the tests of one suite share. */
export interface EngineFixture {
  readonly options: DescribeEngineOptions;
  readonly driver: EngineDriver;
  readonly model: ModelDriver;
}

/** Context of the models that the suite opens, in tokens. */
export const suiteContextTokens = 512;
