import { MobillmError } from '@mobillm/core';
import type { LlamaCppAddon } from '../addon.js';
import type { ResolvedOptimizeOptions } from './optimize-options.js';

/** Where a result goes. */
export interface ResultPaths {
  /** Name in the store. */
  readonly name: string;
  /** Path of the whole file; of the one that the store takes, where there is a store. */
  readonly final: string;
  /** How names of files that are not whole begin, which nothing else has. */
  readonly work: string;
}

/** Decides where a result goes, by the source's path. */
export function resultPaths(source: string, options: ResolvedOptimizeOptions): ResultPaths {
  const [, folder = '', file = source] = /^(.*[/\\])?([^/\\]*)$/su.exec(source) ?? [];
  const { target } = options;
  const suffix = typeof target === 'string' && target !== 'auto' ? target : 'optimized';
  const name = options.name ?? `${file.replace(/\.gguf$/iu, '')}.${suffix}`;
  const ownFolder = options.folder === undefined ? folder : `${options.folder}/`;
  const final = options.output ?? `${ownFolder}${name}.gguf`;
  return { name, final, work: `${final}.${Math.random().toString(36).slice(2, 10)}` };
}

/**
 * Makes sure that nothing has a name yet, before work begins that would be lost.
 *
 * @throws MobillmError `IO_FAILED`.
 */
export function requireFree(addon: LlamaCppAddon, path: string): void {
  try {
    new addon.File(path).close();
  } catch {
    return;
  }
  throw new MobillmError(
    'IO_FAILED',
    `There is a file ${path} already. Choose another name, or delete it first.`,
    { details: { path } },
  );
}
