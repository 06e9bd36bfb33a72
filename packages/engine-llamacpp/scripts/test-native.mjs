/**
 * Runs the C++ tests of the last build. `MOBILLM_JUNIT_FILE` names a file for their results.
 *
 *   node scripts/test-native.mjs
 */

import { join } from 'node:path';
import { main, packageFolder, testNative } from './shared.mjs';

await main(() => testNative(join(packageFolder, 'build')));
