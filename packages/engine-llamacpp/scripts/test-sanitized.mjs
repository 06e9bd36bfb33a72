/** What is run under AddressSanitizer and UBSan: the C++ tests, and a life of the addon in Node. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { addonFile, packageFolder } from './compile.mjs';
import { requireProgram, run } from './tools.mjs';

/**
 * Runs both. Any finding of a sanitizer ends the program that it is found in, and fails.
 *
 * @param {string} buildFolder a build made with `--sanitize`
 */
export async function testSanitized(buildFolder) {
  await run(requireProgram('ctest', 'cmake'), [
    ...['--test-dir', buildFolder, '--output-on-failure', '--no-tests=error'],
  ]);
  // Node is not built with the sanitizer, so its runtime has to be there before anything else.
  const runtime = execFileSync(process.env.CXX ?? 'c++', ['-print-file-name=libasan.so'], {
    encoding: 'utf8',
  }).trim();
  await run(process.execPath, [join(packageFolder, 'test', 'fixtures', 'sanitized-life.mjs')], {
    env: {
      ...process.env,
      LD_PRELOAD: runtime,
      // Node itself leaves memory to the end of the process.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99',
      MOBILLM_LLAMACPP_ADDON: addonFile(buildFolder),
    },
  });
}
