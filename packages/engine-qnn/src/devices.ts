import type { Device } from '@mobillm/core';
import type { NativeLibraryFacts } from './addon.js';
import { chipName } from './chips.js';

/** What the library computes on. The emulator says that it is one: its device is the machine's CPU. */
export function devicesOf(facts: NativeLibraryFacts): readonly Device[] {
  if (facts.devices.length === 0) {
    return [{ id: 'htp0', kind: facts.emulated ? 'cpu' : 'npu', name: 'Hexagon' }];
  }
  return facts.devices.map((device, index) => ({
    id: `htp${index}`,
    kind: facts.emulated ? 'cpu' : 'npu',
    name: facts.emulated ? `Emulator of ${chipName(device)} on this CPU` : chipName(device),
  }));
}

/** The library in a placement: `QNN HTP 2.40.0 (emulator on this CPU)`. */
export function libraryName(facts: NativeLibraryFacts): string {
  const name = `QNN HTP ${facts.coreApi}`;
  return facts.emulated ? `${name} (emulator on this CPU)` : name;
}
