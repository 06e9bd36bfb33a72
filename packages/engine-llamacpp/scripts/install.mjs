/**
 * What `npm install` and `npm rebuild` run: compiles the addon where none is there for this platform.
 * In a checkout it does nothing, because `npm run build:native` builds there.
 */

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { addonFile, compile, packageFolder } from './compile.mjs';
import { fetchSource } from './fetch-source.mjs';
import { main } from './tools.mjs';

function hasPrebuilt() {
  const require = createRequire(import.meta.url);
  const base = `@mobillm/engine-llamacpp-${process.platform}-${process.arch}`;
  return [base, `${base}-musl`].some((name) => {
    try {
      require.resolve(`${name}/package.json`);
      return true;
    } catch {
      return false;
    }
  });
}

await main(async () => {
  const isCheckout = existsSync(join(packageFolder, '..', '..', 'pnpm-workspace.yaml'));
  if (isCheckout || process.env.MOBILLM_LLAMACPP_ADDON || hasPrebuilt()) return;
  const buildFolder = join(packageFolder, 'build');
  if (existsSync(addonFile(buildFolder)) && process.env.npm_command !== 'rebuild') return;
  process.stderr.write(
    '@mobillm/engine-llamacpp: no prebuilt addon for this platform, compiling it (minutes) …\n',
  );
  await compile({
    source: await fetchSource(),
    buildFolder,
    definitions: { MOBILLM_WARNINGS_AS_ERRORS: 'OFF' },
  });
  // What is left over from compiling is ten times the addon.
  for (const entry of readdirSync(buildFolder)) {
    if (entry !== 'Release') rmSync(join(buildFolder, entry), { recursive: true });
  }
});
