import { callNative, fromNative } from '@mobillm/core/native';
import { system } from '#system';
import {
  loadQnnAddon,
  type NativeLibrary,
  type NativeLibraryFacts,
  type QnnAddon,
} from './addon.js';
import type { QnnEngineOptions } from './engine-options.js';
import { findLibraries } from './libraries/find-libraries.js';

/** The addon with Qualcomm's libraries opened. */
export interface OpenLibraries {
  /** The addon. */
  readonly addon: QnnAddon;
  /** The libraries. */
  readonly library: NativeLibrary;
  /** What they say of themselves. */
  readonly facts: NativeLibraryFacts;
  /** Gives them up; models and compilations are closed before. May be called twice. */
  close(): Promise<void>;
}

/**
 * Loads the addon, finds the libraries and opens them.
 *
 * @throws MobillmError as `createQnnEngine` does.
 */
export async function openLibraries(options: QnnEngineOptions): Promise<OpenLibraries> {
  const { addon: source, libraries, log, logLevel = 'warn' } = options;
  const addon = await loadQnnAddon(source).catch((error: unknown) => {
    throw fromNative(error);
  });
  const paths = await findLibraries(system, libraries);
  const sink = log && callNative(() => new addon.LogSink(logLevel, log));
  const library = callNative(() => new addon.Library(paths));
  const close = async (): Promise<void> => {
    await library.close();
    sink?.close();
  };
  try {
    return { addon, library, facts: await library.load(), close };
  } catch (error) {
    await close();
    throw fromNative(error);
  }
}
