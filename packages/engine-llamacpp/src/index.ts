export type { LogFunction, LogLevel } from './addon.js';
export * from './create-engine.js';
export * from './rpc-server.js';
export { createLlamaCppDriver } from './driver.js';
export type {
  BackendName,
  KvCacheType,
  LlamaCppEngineOptions,
  LlamaCppOpenOptions,
} from './engine-options.js';
