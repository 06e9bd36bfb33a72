export type { QnnCompileOptions, QnnCompilerOptions } from './compiler-options.js';
export * from './create-compiler.js';
