import { createEngine, type Engine } from '@mobillm/core';
import { createMlcDriver } from './driver.js';
import type { MlcEngineOptions } from './engine-options.js';

/**
 * Makes an engine that runs models compiled by TVM: those of this package's compiler, and others in
 * MLC's layout. Loads the native addon and opens the TVM runtime.
 *
 * @throws MobillmError `ADDON_NOT_FOUND` where the addon or the runtime is missing, with how to get it;
 * `ADDON_INCOMPATIBLE` for one of another processor or version; `UNSUPPORTED` where this process has
 * loaded another runtime; InvalidArgument for a bad option.
 */
export async function createMlcEngine(options: MlcEngineOptions = {}): Promise<Engine> {
  return createEngine(await createMlcDriver(options));
}
