import { check } from '@mobillm/core';
import type { TvmLibraries } from './libraries/library-names.js';

/** Options of {@link createMlcEngine}. */
export interface MlcEngineOptions {
  /**
   * The TVM runtime: a folder that holds both libraries, or their two paths. By default the folders of
   * `TVM_LIBRARY_PATH`; else what `scripts/fetch-runtime.mjs` has downloaded; else installed Python
   * packages apache-tvm and apache-tvm-ffi. A process can hold one runtime alone.
   */
  readonly libraries?: string | TvmLibraries;
  /**
   * Path of the addon to load and no other; in React Native, the loaded addon or the name it is
   * linked under. By default the environment variable `MOBILLM_MLC_ADDON`, the package's own build, or
   * the prebuilt package of this platform.
   */
  readonly addon?: string | object;
}

/**
 * Options that only this engine has, for `engineOptions` of `Engine.open` and `Engine.estimate`.
 */
export interface MlcOpenOptions {
  /**
   * Tokens in one prefill step, 1 to 65536, at most the chunk that the model was compiled for. More is
   * faster; an abort, and other sequences, wait for a step to end. Default 128.
   */
  readonly batchTokens?: number;
}

const addonOption: check.Check<string | object> = (value, key) =>
  typeof value === 'object' && value !== null
    ? value
    : check.string({ nonEmpty: true })(value, key);

const path = check.string({ nonEmpty: true });

const librariesOption: check.Check<string | TvmLibraries> = (value, key) => {
  if (typeof value === 'string') return path(value, key);
  const { ffi, runtime } = check.optionsObject({ ffi: path, runtime: path })(value, key);
  return { ffi: path(ffi, `${key}.ffi`), runtime: path(runtime, `${key}.runtime`) };
};

const checkEngine = check.optionsObject({ libraries: librariesOption, addon: addonOption });

const checkOpen = check.optionsObject({ batchTokens: check.integer({ min: 1, max: 65_536 }) });

/** Checks the factory's options. */
export function checkEngineOptions(options: unknown): MlcEngineOptions {
  return checkEngine(options, '');
}

/** Checks `engineOptions` and fills in the defaults. */
export function resolveOpenOptions(options: unknown): Required<MlcOpenOptions> {
  return { batchTokens: checkOpen(options, 'engineOptions').batchTokens ?? 128 };
}
