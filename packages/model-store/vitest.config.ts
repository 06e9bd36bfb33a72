import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: { '#file-system': fileURLToPath(new URL('./src/file-system/node.ts', import.meta.url)) },
  },
  test: { include: ['test/**/*.test.ts'] },
});
