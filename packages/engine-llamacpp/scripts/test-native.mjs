/**
 * Runs the C++ tests of the last build. `MOBILLM_JUNIT_FILE` names a file for their results.
 *
 *   node scripts/test-native.mjs
 */

import { join } from 'node:path';
import { packageFolder } from './compile.mjs';
import { main, requireProgram, run } from './tools.mjs';

await main(async () => {
  requireProgram('cmake');
  const report = process.env.MOBILLM_JUNIT_FILE;
  await run(requireProgram('ctest', 'cmake'), [
    ...['--test-dir', join(packageFolder, 'build'), '--output-on-failure', '--no-tests=error'],
    ...(report ? ['--output-junit', report] : []),
  ]);
});
