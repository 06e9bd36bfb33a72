import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'native/index': 'src/native/index.ts',
    'native/index.react-native': 'src/native/index.react-native.ts',
    'testing/index': 'src/testing/index.ts',
    'platform/node': 'src/platform/node.ts',
    'platform/portable': 'src/platform/portable.ts',
  },
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  dts: {
    entry: {
      index: 'src/index.ts',
      'native/index': 'src/native/index.ts',
      'testing/index': 'src/testing/index.ts',
    },
  },
  clean: true,
  // Which platform file is meant is decided where the package is used, by its export conditions.
  external: ['#platform', 'vitest', /^node:/, 'react-native-node-api'],
});
