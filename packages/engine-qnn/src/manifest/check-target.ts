import { MobillmError, type QnnManifest } from '@mobillm/core';
import type { NativeLibraryFacts } from '../addon.js';
import { chipName } from '../chips.js';

/**
 * Makes sure that a compiled model is one for this library and this chip: the library itself finds out
 * late, with a number, or not at all.
 *
 * @throws MobillmError `MODEL_UNSUPPORTED` saying what to rebuild.
 */
export function checkTarget(
  { madeWith }: QnnManifest,
  facts: NativeLibraryFacts,
  path: string,
): void {
  const model = `The model of ${path}`;
  const details = { path, madeWith, library: { ...facts, devices: facts.devices.length } };
  for (const [what, made, here] of [
    ['QNN API', madeWith.coreApi, facts.coreApi],
    ['HTP API', madeWith.backendApi, facts.backendApi],
  ] as const) {
    if (!isReadable(made, here)) {
      throw new MobillmError(
        'MODEL_UNSUPPORTED',
        `${model} was compiled with ${what} ${made} (build ${madeWith.buildId}), and the library here has ${here} (build ${facts.buildId}). Use libraries of that version or later, or compile the model again with these.`,
        { details },
      );
    }
  }
  // The emulator takes the place of any chip.
  const [device] = facts.devices;
  if (facts.emulated || device === undefined || device.htpArch === madeWith.htpArch) return;
  throw new MobillmError(
    'MODEL_UNSUPPORTED',
    `${model} was compiled for ${chipName(madeWith)}, and this device has ${chipName(device)}. Compile it again with the option socModel ${device.socModel}.`,
    { details },
  );
}

/** A library reads what an equal or older version of its own line has written. */
function isReadable(made: string, here: string): boolean {
  const [madeMajor = 0, madeMinor = 0] = made.split('.').map(Number);
  const [major = 0, minor = 0] = here.split('.').map(Number);
  return madeMajor === major && madeMinor <= minor;
}
