export { createMlcCompiler } from './create-compiler.js';
export type { MlcCompilerOptions, MlcCompileOptions, MlcTarget } from './compiler-options.js';
