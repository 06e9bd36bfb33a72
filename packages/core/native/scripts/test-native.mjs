import { execFileSync } from 'node:child_process';
import { addonFile } from './compile.mjs';
import { requireProgram, run } from './tools.mjs';

/** Runs the C++ tests of a build. `MOBILLM_JUNIT_FILE` names a file for their results. */
export async function testNative(buildFolder) {
  requireProgram('cmake');
  const report = process.env.MOBILLM_JUNIT_FILE;
  await run(requireProgram('ctest', 'cmake'), [
    ...['--test-dir', buildFolder, '--output-on-failure', '--no-tests=error'],
    ...(report ? ['--output-junit', report] : []),
  ]);
}

/**
 * What is run under AddressSanitizer and UBSan: the C++ tests, and a life of the addon in Node. Any
 * finding of a sanitizer ends the program that it is found in, and fails.
 *
 * @param {object} engine as `buildAddon` gets it
 * @param {string} buildFolder a build made with `--sanitize`
 */
export async function testSanitized({ addonName, addonVariable, sanitizedLife }, buildFolder) {
  await testNative(buildFolder);
  if (sanitizedLife === undefined) return;
  // Node is not built with the sanitizer, so its runtime has to be there before anything else.
  const runtime = execFileSync(process.env.CXX ?? 'c++', ['-print-file-name=libasan.so'], {
    encoding: 'utf8',
  }).trim();
  await run(process.execPath, [sanitizedLife], {
    env: {
      ...process.env,
      LD_PRELOAD: runtime,
      // Node itself leaves memory to the end of the process.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99',
      [addonVariable]: addonFile(buildFolder, addonName),
    },
  });
}
