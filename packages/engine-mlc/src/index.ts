export * from './create-engine.js';
export { createMlcDriver } from './driver.js';
export type { MlcEngineOptions, MlcOpenOptions } from './engine-options.js';
export type { TvmLibraries } from './libraries/library-names.js';
