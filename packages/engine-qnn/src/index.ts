export type { LogFunction, LogLevel } from './addon.js';
export * from './create-engine.js';
export { createQnnDriver } from './driver.js';
export type { QnnEngineOptions } from './engine-options.js';
export type { QnnLibraries } from './libraries/find-libraries.js';
