import { createEngine, type Engine } from '@mobillm/core';
import { createLlamaCppDriver } from './driver.js';
import type { LlamaCppEngineOptions } from './engine-options.js';

/**
 * Makes an engine that runs GGUF models by llama.cpp. Loads the native addon; several engines can
 * live in one process, and in several worker threads.
 *
 * @throws MobillmError `ADDON_NOT_FOUND`, `ADDON_INCOMPATIBLE`; InvalidArgument for a bad option.
 */
export async function createLlamaCppEngine(options: LlamaCppEngineOptions = {}): Promise<Engine> {
  return createEngine(await createLlamaCppDriver(options));
}
