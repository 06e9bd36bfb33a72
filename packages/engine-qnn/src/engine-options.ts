import { check } from '@mobillm/core';
import type { LogFunction, LogLevel } from './addon.js';
import type { QnnLibraries } from './libraries/find-libraries.js';

/** Options of {@link createQnnEngine}. */
export interface QnnEngineOptions {
  /**
   * Qualcomm's libraries: a folder that holds both, or their two paths. By default the folder that
   * `MOBILLM_QNN_LIBRARY_DIR` names; the SDK that `QNN_SDK_ROOT` names; the search path of the system's
   * loader; an installed Python package onnxruntime-qnn; on Android, the application's own.
   */
  readonly libraries?: string | QnnLibraries;
  /**
   * Path of the addon to load and no other; in React Native, the loaded addon or the name it is
   * linked under. By default the environment variable `MOBILLM_QNN_ADDON`, the package's own build, or
   * the prebuilt package of this platform.
   */
  readonly addon?: string | object;
  /**
   * Receives the libraries' own log, which goes nowhere by default. They have one log a process, so an
   * engine hears of all models of the process. A function that throws raises an uncaught exception.
   */
  readonly log?: LogFunction;
  /** Least level of the lines that `log` gets. Default `warn`. */
  readonly logLevel?: LogLevel;
}

const addonOption: check.Check<string | object> = (value, key) =>
  typeof value === 'object' && value !== null
    ? value
    : check.string({ nonEmpty: true })(value, key);

const path = check.string({ nonEmpty: true });

const librariesOption: check.Check<string | QnnLibraries> = (value, key) => {
  if (typeof value === 'string') return path(value, key);
  const { backend, system } = check.optionsObject({ backend: path, system: path })(value, key);
  return { backend: path(backend, `${key}.backend`), system: path(system, `${key}.system`) };
};

/** The checks of the options that the engine's and the compiler's factory share. */
export const sharedChecks = {
  libraries: librariesOption,
  addon: addonOption,
  log: check.callback<LogFunction>(),
  logLevel: check.oneOf<LogLevel>('debug', 'info', 'warn', 'error'),
} as const;

const checkEngine = check.optionsObject(sharedChecks);

/** This engine has no options of its own for opening a model. */
const checkOpen = check.optionsObject({});

/** Checks the factory's options. */
export function checkEngineOptions(options: unknown): QnnEngineOptions {
  return checkEngine(options, '');
}

/** Checks `engineOptions`. */
export function checkOpenOptions(options: unknown): void {
  checkOpen(options, 'engineOptions');
}
