import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'package-root/node': 'src/package-root/node.ts',
    'package-root/portable': 'src/package-root/portable.ts',
    'optimize/cli': 'src/optimize/cli.ts',
    'rpc/node': 'src/rpc/node.ts',
    'rpc/rpc-server-process': 'src/rpc/rpc-server-process.ts',
    'rpc/cli': 'src/rpc/cli.ts',
    'rpc/portable': 'src/rpc/portable.ts',
  },
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  dts: { entry: { index: 'src/index.ts' } },
  clean: true,
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  // Which file is meant is decided where the package is used, by its export conditions.
  external: ['#package-root', '#rpc', /^node:/, /^@mobillm\//],
});
