/**
 * Builds the addon in this checkout, with the programs that its tests need. Does nothing when nothing
 * has changed.
 *
 *   node scripts/build-native.mjs              for this machine, into build/
 *   node scripts/build-native.mjs --release    the same without the tests, into build-release/
 *   node scripts/build-native.mjs --sanitize   with AddressSanitizer and UBSan, into build-sanitize/,
 *                                              and runs the tests there
 */

import { engine } from './engine.mjs';
import { ensureMlcRuntimeAloud } from './fetch-runtime.mjs';
import { buildAddon, main } from './shared.mjs';

await main(async () => {
  // The tests that a build with sanitizers runs open the runtime.
  if (process.argv.includes('--sanitize')) {
    process.env.TVM_LIBRARY_PATH ||= await ensureMlcRuntimeAloud();
  }
  await buildAddon(engine);
});
