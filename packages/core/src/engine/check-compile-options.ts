import * as check from '../errors/check-options.js';
import type { CompileOptions } from './model-compiler.js';

const checkOptions = check.optionsObject({
  folder: check.string({ nonEmpty: true }),
  compilerOptions: check.record,
  signal: check.abortSignal,
  onProgress: check.callback<NonNullable<CompileOptions['onProgress']>>(),
});

/**
 * Checks what a compiler was called with, but for what its own `compilerOptions` hold.
 *
 * @throws InvalidArgument for a bad option.
 */
export function checkCompileOptions(options: unknown): CompileOptions {
  const { folder, ...rest } = checkOptions(options, '');
  return { folder: check.string()(folder, 'folder'), ...rest };
}
