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
export {
  measurePerplexity,
  type PerplexityOptions,
  type PerplexityReport,
} from './optimize/measure-perplexity.js';
export { optimizeModel } from './optimize/optimize-model.js';
export type { OptimizeOptions, OptimizeProgress, SizeBudget } from './optimize/optimize-options.js';
export type * from './optimize/optimize-report.js';
export type { WeightFormat } from './optimize/weight-formats.js';
