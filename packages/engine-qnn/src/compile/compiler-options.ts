import { check, wrongValue } from '@mobillm/core';
import { type QnnEngineOptions, sharedChecks } from '../engine-options.js';

/** Options of {@link createQnnCompiler}: the libraries and the addon, as for the engine. */
export type QnnCompilerOptions = QnnEngineOptions;

/** Options that only this compiler has, for `compilerOptions` of `ModelCompiler.compile`. */
export interface QnnCompileOptions {
  /**
   * Tokens of one prefill step, 2 to 1024. A step costs the same however many of them are used; more
   * make a long prompt faster, and a short one slower. Default 32.
   */
  readonly chunkTokens?: number;
  /**
   * Largest context of a sequence in tokens, more than `chunkTokens` and at most what the model was
   * trained for. Every step attends to all of it, used or not. Default 512, or what it was trained for
   * where that is less.
   */
  readonly contextTokens?: number;
  /**
   * Qualcomm's number of the chip to compile for: 57 for SM8650. Default the library's own choice: the
   * device that it runs on, or the chip that the emulator imitates by itself.
   */
  readonly socModel?: number;
  /**
   * Keeps one copy of the weights for prefill and decode, which halves the file; needs a Hexagon V73 or
   * later. Default `false`.
   */
  readonly shareWeights?: boolean;
}

/** {@link QnnCompileOptions} with every default but the chip filled in. */
export interface ResolvedCompileOptions {
  /** Tokens of a prefill step. */
  readonly chunkTokens: number;
  /** Context in tokens. */
  readonly contextTokens: number;
  /** The chip, where one was asked for. */
  readonly socModel?: number;
  /** Whether graphs share the weights. */
  readonly shareWeights: boolean;
}

const checkCompiler = check.optionsObject(sharedChecks);

const checkCompile = check.optionsObject({
  chunkTokens: check.integer({ min: 2, max: 1024 }),
  contextTokens: check.integer({ min: 3, max: 2 ** 20 }),
  socModel: check.integer({ min: 1, max: 1_000_000 }),
  shareWeights: check.boolean,
});

/** Checks the factory's options. */
export function checkCompilerOptions(options: unknown): QnnCompilerOptions {
  return checkCompiler(options, '');
}

/** Checks `compilerOptions` of `compile`, but for what only the model can tell. */
export function checkOwnOptions(compilerOptions: unknown): QnnCompileOptions {
  return checkCompile(compilerOptions, 'compilerOptions');
}

/** Fills in the defaults for a model, and checks what depends on it. */
export function resolveCompileOptions(
  options: QnnCompileOptions,
  trainedContextTokens: number,
): ResolvedCompileOptions {
  const contextTokens = options.contextTokens ?? Math.min(512, trainedContextTokens);
  const chunkTokens = options.chunkTokens ?? 32;
  if (contextTokens > trainedContextTokens) {
    throw wrongValue(
      'compilerOptions.contextTokens',
      `the model was trained for ${trainedContextTokens} tokens, and ${contextTokens} were asked for`,
    );
  }
  if (chunkTokens >= contextTokens) {
    throw wrongValue(
      'compilerOptions.chunkTokens',
      `must be less than the context of ${contextTokens} tokens, but it is ${chunkTokens}`,
    );
  }
  const { socModel, shareWeights = false } = options;
  return { chunkTokens, contextTokens, shareWeights, ...(socModel !== undefined && { socModel }) };
}
