import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The first run compiles models.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    // Models compute: side by side on few processors they only slow each other down.
    fileParallelism: false,
  },
});
