/**
 * Runs the C++ tests of the last build on Qualcomm's emulator. `MOBILLM_JUNIT_FILE` names a file for
 * their results.
 *
 *   node scripts/test-native.mjs
 */

import { join } from 'node:path';
import { useEmulator } from './fetch-emulator.mjs';
import { main, packageFolder, testNative } from './shared.mjs';

if (await useEmulator()) await main(() => testNative(join(packageFolder, 'build')));
