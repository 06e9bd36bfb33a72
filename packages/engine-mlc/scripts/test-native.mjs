/**
 * Runs the C++ tests of the last build, on the runtime that TVM_LIBRARY_PATH names or the one that is
 * fetched. `MOBILLM_JUNIT_FILE` names a file for their results.
 *
 *   node scripts/test-native.mjs
 */

import { join } from 'node:path';
import { ensureMlcRuntimeAloud } from './fetch-runtime.mjs';
import { main, packageFolder, testNative } from './shared.mjs';

await main(async () => {
  process.env.TVM_LIBRARY_PATH ||= await ensureMlcRuntimeAloud();
  await testNative(join(packageFolder, 'build'));
});
