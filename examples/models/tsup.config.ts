import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { cli: 'src/cli.ts', main: 'src/main.ts' },
  format: 'esm',
  target: 'node20',
  dts: { entry: { main: 'src/main.ts' } },
  clean: true,
});
