import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { contentHash } from './content-hash.mjs';
import { root } from './workspace.mjs';

const stampPath = join(root, 'node_modules', '.cache', 'mobillm', 'quickstart-build');

/** What the quickstart is built from. */
const sources = [
  'package.json',
  'pnpm-lock.yaml',
  'tsconfig.base.json',
  ...['core', 'model-store', 'engine-llamacpp'].flatMap((name) =>
    ['src', 'native', 'scripts', 'CMakeLists.txt', 'package.json', 'tsup.config.ts'].map(
      (path) => `packages/${name}/${path}`,
    ),
  ),
  ...['src', 'package.json', 'tsup.config.ts'].map((path) => `examples/chat/${path}`),
].map((path) => join(root, path));

/** What has to be there to skip a build. */
const outputs = [
  'packages/core/dist/index.js',
  'packages/model-store/dist/index.js',
  'packages/engine-llamacpp/dist/index.js',
  'packages/engine-llamacpp/build/Release',
  'examples/chat/dist/main.js',
  'examples/chat/node_modules',
].map((path) => join(root, path));

/** Hash of all that a build depends on: the sources, this Node's platform and the compiler asked for. */
export function sourceStamp() {
  const { CC, CXX, CFLAGS, CXXFLAGS, MOBILLM_LLAMA_CPP_DIR } = process.env;
  return JSON.stringify({
    sources: contentHash(sources),
    platform: `${process.platform}-${process.arch}`,
    ...{ CC, CXX, CFLAGS, CXXFLAGS, MOBILLM_LLAMA_CPP_DIR },
  });
}

/** Whether the last build that went well was of these sources, and is still there. */
export function isBuilt(stamp) {
  return (
    outputs.every((path) => existsSync(path)) &&
    existsSync(stampPath) &&
    readFileSync(stampPath, 'utf8') === stamp
  );
}

/** Remembers a build that went well. */
export function rememberBuild(stamp) {
  mkdirSync(dirname(stampPath), { recursive: true });
  writeFileSync(stampPath, stamp);
}
