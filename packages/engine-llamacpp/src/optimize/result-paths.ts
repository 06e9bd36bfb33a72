import { callNative, fromNative } from '@mobillm/core/native';
import type { LlamaCppAddon, NativeCheckedFile } from '../addon.js';
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
 * Makes sure that a result can be written and named, before work begins that would be lost: that its name
 * is free, or may be overwritten, that files can be made beside it, and that its disk has the room.
 *
 * @throws MobillmError `IO_FAILED`, with `details.neededBytes` and `availableBytes` where there is no room.
 */
export async function requirePlace(
  addon: LlamaCppAddon,
  source: NativeCheckedFile,
  { final, work }: ResultPaths,
  options: { readonly bytes: number; readonly overwrite: boolean },
): Promise<void> {
  const native = callNative(
    () =>
      new addon.RequantizedFile({
        source,
        path: `${work}.partial`,
        tensors: [],
        fileType: 0,
        threads: 1,
      }),
  );
  try {
    await native.prepare({ ...options, path: final, bytes: Math.ceil(options.bytes) });
  } catch (error) {
    throw fromNative(error);
  } finally {
    native.close();
  }
}
