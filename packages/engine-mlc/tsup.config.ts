import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'compile/index': 'src/compile/index.ts',
    'package-root/node': 'src/package-root/node.ts',
    'package-root/portable': 'src/package-root/portable.ts',
    'system/node': 'src/system/node.ts',
    'system/portable': 'src/system/portable.ts',
  },
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  dts: { entry: { index: 'src/index.ts', 'compile/index': 'src/compile/index.ts' } },
  clean: true,
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  // Which file is meant is decided where the package is used, by its export conditions.
  external: ['#package-root', '#system', /^node:/, /^@mobillm\//],
});
