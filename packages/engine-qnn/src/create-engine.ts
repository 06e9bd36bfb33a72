import { createEngine, type Engine } from '@mobillm/core';
import { createQnnDriver } from './driver.js';
import type { QnnEngineOptions } from './engine-options.js';

/**
 * Makes an engine that runs models compiled for Qualcomm's Hexagon processor. Loads the native addon
 * and opens Qualcomm's libraries, which the device, the application or the user provides.
 *
 * @throws MobillmError `ADDON_NOT_FOUND`; `ADDON_INCOMPATIBLE` for an addon or library of another
 * processor or version; `UNSUPPORTED` where the libraries are missing, with how to get them, and on a
 * platform that has none; `FILE_NOT_FOUND` where those are missing that were named; InvalidArgument for
 * a bad option.
 */
export async function createQnnEngine(options: QnnEngineOptions = {}): Promise<Engine> {
  return createEngine(await createQnnDriver(options));
}
