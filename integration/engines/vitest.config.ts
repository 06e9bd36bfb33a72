import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What an earlier run measured must not change what a later one computes with.
    env: { MOBILLM_LLAMACPP_CALIBRATE: 'off' },
    // The first run compiles models.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    // Models compute: side by side on few processors they only slow each other down.
    fileParallelism: false,
  },
});
