/**
 * Builds the addon in this checkout, with the programs that its tests and its benchmark need. Does
 * nothing when nothing has changed.
 *
 *   node scripts/build-native.mjs              for this machine, into build/
 *   node scripts/build-native.mjs --release    for every machine of this platform, into build-release/
 *   node scripts/build-native.mjs --sanitize   with AddressSanitizer and UBSan, into build-sanitize/,
 *                                              and runs the tests there
 *   … --backend cuda --backend vulkan          with more to compute on than the CPU and RPC
 *
 * `MOBILLM_BACKENDS=rpc,cuda` says the latter, too.
 */

import { engine, buildInputs } from './engine.mjs';
import { buildAddon, main } from './shared.mjs';

await main(async () => {
  await buildAddon({
    ...engine,
    ...(await buildInputs()),
    // What somebody else's checkout holds is not known by its path: there, ninja finds out.
    alwaysBuild: process.env.MOBILLM_LLAMA_CPP_DIR !== undefined,
  });
});
