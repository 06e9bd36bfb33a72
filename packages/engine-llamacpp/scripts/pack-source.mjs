/**
 * Puts the part of llama.cpp that the addon is built from, with its licence, into
 * native/vendor/llama.cpp, so that the published package compiles without network and without git.
 * Run by npm before a package is packed; `--clean` takes it away again afterwards.
 */

import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fetchSource } from './fetch-source.mjs';
import { main, packageFolder } from './shared.mjs';

/**
 * What the library is made of, with the back ends that a user's machine may have the tools for; Hexagon's
 * needs the vendor's SDK and a build of its own for the processor, which a checkout serves.
 */
const parts = [
  'LICENSE',
  'CMakeLists.txt',
  'cmake',
  'include',
  'licenses',
  'src',
  'ggml/CMakeLists.txt',
  'ggml/cmake',
  'ggml/include',
  'ggml/src/CMakeLists.txt',
  'ggml/src/ggml-cpu',
  'ggml/src/ggml-cuda',
  'ggml/src/ggml-metal',
  'ggml/src/ggml-opencl',
  'ggml/src/ggml-rpc',
  'ggml/src/ggml-vulkan',
];

/** ggml's own sources: the files beside the folders of its back ends. */
const ggmlFile = /^ggml\/src\/[^/]+\.(?:c|cpp|h|h\.in|m)$/;

await main(async () => {
  const target = join(packageFolder, 'native', 'vendor', 'llama.cpp');
  await rm(dirname(target), { recursive: true, force: true });
  if (process.argv.includes('--clean')) return;
  const source = await fetchSource();
  for (const part of parts) await cp(join(source, part), join(target, part), { recursive: true });
  const ggml = join(source, 'ggml', 'src');
  await cp(ggml, join(target, 'ggml', 'src'), {
    recursive: true,
    filter: (path) =>
      path === ggml || ggmlFile.test(path.slice(source.length + 1).replaceAll('\\', '/')),
  });
  // Third-party code for llama.cpp's programs, which are not built; its build asks for the folder.
  await mkdir(join(target, 'vendor'), { recursive: true });
  await writeFile(
    join(target, 'vendor', 'CMakeLists.txt'),
    '# Left empty when the source was trimmed: only programs that are not built use what was here.\n',
  );
});
