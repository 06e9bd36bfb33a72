import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defineConfig } from 'tsup';

/**
 * `@huggingface/gguf` is bundled in its build for browsers: the one that its manifest offers to
 * bundlers reads local files through Node's `fs`, which cannot be bundled for React Native.
 */
const ggufEntry = createRequire(import.meta.url).resolve('@huggingface/gguf');
const gguf = dirname(dirname(ggufEntry));
/** The one module of its tables that it uses, of some forty. */
const tasks = join(
  dirname(createRequire(ggufEntry).resolve('@huggingface/tasks')),
  '../esm/gguf.js',
);

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'file-system/node': 'src/file-system/node.ts',
    'file-system/portable': 'src/file-system/portable.ts',
    'http/node': 'src/http/node.ts',
    'http/portable': 'src/http/portable.ts',
  },
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  dts: { entry: { index: 'src/index.ts' } },
  clean: true,
  treeshake: true,
  noExternal: [/^@huggingface\//],
  esbuildOptions: (options) => {
    options.alias = {
      '@huggingface/gguf': join(gguf, 'dist/browser/index.mjs'),
      '@huggingface/tasks': tasks,
    };
    options.mainFields = ['module', 'main'];
  },
  // Which file system and network are meant is decided where the package is used, by its export conditions.
  external: ['#file-system', '#http', /^node:/],
  // Its licence asks to go where its code goes.
  onSuccess: () => copyFile(join(gguf, 'LICENSE'), 'dist/LICENSE.huggingface-gguf'),
});
