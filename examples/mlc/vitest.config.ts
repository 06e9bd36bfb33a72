import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Compiling a model takes its time.
  test: { include: ['test/**/*.test.ts'], testTimeout: 300_000 },
});
