import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export default defineConfig({
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  resolve: {
    alias: {
      '#package-root': fileURLToPath(new URL('./src/package-root/node.ts', import.meta.url)),
      '#rpc': fileURLToPath(new URL('./src/rpc/node.ts', import.meta.url)),
    },
  },
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    include: ['test/**/*.test.ts'],
    // Tests say themselves where something is to be measured: what an earlier run found must not change
    // what a later one computes with.
    env: { MOBILLM_LLAMACPP_CALIBRATE: 'off' },
    // Models compute: side by side on few processors they only slow each other down.
    fileParallelism: false,
  },
});
