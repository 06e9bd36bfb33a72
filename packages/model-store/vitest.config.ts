import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: {
      '#file-system': fileURLToPath(new URL('./src/file-system/node.ts', import.meta.url)),
      '#http': fileURLToPath(new URL('./src/http/node.ts', import.meta.url)),
    },
  },
  test: { include: ['test/**/*.test.ts'], testTimeout: 120_000 },
});
