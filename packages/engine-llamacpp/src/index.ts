export type { LogFunction, LogLevel } from './addon.js';
export * from './create-engine.js';
export { createLlamaCppDriver } from './driver.js';
export type { KvCacheType, LlamaCppEngineOptions, LlamaCppOpenOptions } from './engine-options.js';
