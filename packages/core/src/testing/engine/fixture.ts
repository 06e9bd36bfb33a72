import type { DriverOpenOptions, EngineDriver, ModelDriver } from '../../engine/driver.js';
import type { ModelFiles } from '../../store/model-files.js';

/** What `describeEngine` needs of the engine under test. */
export interface DescribeEngineOptions {
  /** Makes a driver; called several times, and every one is closed. */
  readonly createDriver: () => Promise<EngineDriver> | EngineDriver;
  /** A small model, best of all a chat model. */
  readonly files: ModelFiles;
  /** A path at which there is no file. */
  readonly missingPath: string;
  /**
   * Two adapters that change what the model says, each in its own way; needed where the engine declares
   * `adapters`.
   */
  readonly adapters?: readonly [ModelFiles, ModelFiles];
  /** A folder to write to. Without it nothing is saved, and the tests of that are skipped. */
  readonly folder?: string;
  /**
   * Context to open the model with, in tokens, for models that are compiled for a shorter one than the
   * 512 that the suite takes by default. 256 at least; a chat model needs room for two turns.
   */
  readonly contextTokens?: number;
  /**
   * Tokens of the engine's longest prefill step with these options. The suite's long prompts have more
   * than three steps, and fit the context with a few tokens to spare. Default 32.
   */
  readonly prefillStepTokens?: number;
  /** Threads to open the model with; more than the default 1 is for models of a hundred megabytes. */
  readonly threads?: number;
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
export function contextTokensOf(options: DescribeEngineOptions): number {
  return options.contextTokens ?? 512;
}

/** Tokens of the longest prefill step. */
export function longestStepTokens(options: DescribeEngineOptions): number {
  return options.prefillStepTokens ?? 32;
}

/** How the suite opens a model. */
export function suiteOpenOptions(
  options: DescribeEngineOptions,
  sequences: number,
): DriverOpenOptions {
  return {
    contextTokens: contextTokensOf(options),
    sequences,
    threads: options.threads ?? 1,
    engineOptions: options.engineOptions ?? {},
  };
}
