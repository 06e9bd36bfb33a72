/**
 * Builds the addon in this checkout, with the programs that its tests and its benchmark need. Does
 * nothing when nothing has changed.
 *
 *   node scripts/build-native.mjs              for this machine, into build/
 *   node scripts/build-native.mjs --release    for every machine of this platform, into build-release/
 *   node scripts/build-native.mjs --sanitize   with AddressSanitizer and UBSan, into build-sanitize/,
 *                                              and runs the tests there
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildStamp, isBuilt, markBuilt } from './build-stamp.mjs';
import { addonFile, compile, packageFolder } from './compile.mjs';
import { fetchSource } from './fetch-source.mjs';
import { main } from './tools.mjs';

const flavours = {
  develop: { folder: 'build', definitions: { MOBILLM_DEVELOP: 'ON' } },
  release: { folder: 'build-release', definitions: { MOBILLM_RELEASE: 'ON' } },
  sanitize: {
    folder: 'build-sanitize',
    definitions: { MOBILLM_DEVELOP: 'ON', MOBILLM_SANITIZE: 'ON' },
  },
};

await main(async () => {
  const { values } = parseArgs({
    options: { release: { type: 'boolean' }, sanitize: { type: 'boolean' } },
  });
  const flavour = values.release ? 'release' : values.sanitize ? 'sanitize' : 'develop';
  const { folder, definitions } = flavours[flavour];
  const buildFolder = join(packageFolder, folder);
  const source = await fetchSource();
  // What somebody else's checkout holds is not known by its path: there, ninja finds out.
  const pinned = process.env.MOBILLM_LLAMA_CPP_DIR === undefined;
  const stamp = buildStamp({ flavour, source });
  if (!pinned || !isBuilt(buildFolder, stamp) || !existsSync(addonFile(buildFolder))) {
    const startedAt = performance.now();
    process.stderr.write(`engine-llamacpp: building the addon (${flavour}) …\n`);
    await compile({ source, buildFolder, definitions });
    markBuilt(buildFolder, stamp);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    process.stderr.write(`engine-llamacpp: built in ${seconds} s\n`);
  }
  if (flavour === 'sanitize') {
    const { testSanitized } = await import('./test-sanitized.mjs');
    await testSanitized(buildFolder);
  }
});
