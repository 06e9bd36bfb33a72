/**
 * Builds the addon in this checkout, with the programs that its tests need. Does nothing when nothing
 * has changed.
 *
 *   node scripts/build-native.mjs              for this machine, into build/
 *   node scripts/build-native.mjs --release    for every machine of this platform, into build-release/
 *   node scripts/build-native.mjs --sanitize   with AddressSanitizer and UBSan, into build-sanitize/,
 *                                              and runs the tests there, on the emulator
 */

import { engine } from './engine.mjs';
import { useEmulator } from './fetch-emulator.mjs';
import { buildAddon, main } from './shared.mjs';

if (!process.argv.includes('--sanitize') || (await useEmulator())) {
  await main(() => buildAddon(engine));
}
