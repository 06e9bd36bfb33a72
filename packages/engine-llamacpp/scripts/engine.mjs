import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fetchSource } from './fetch-source.mjs';
import { capture, packageFolder } from './shared.mjs';
import { sourcePin } from './source-pin.mjs';

/** What the shared build scripts are told of this engine. */
export const engine = Object.freeze({
  packageFolder,
  addonName: 'mobillm_llamacpp',
  addonVariable: 'MOBILLM_LLAMACPP_ADDON',
  sanitizedLife: join(packageFolder, 'test', 'fixtures', 'sanitized-life.mjs'),
});

/** What else the addon is built from: the library's source, and which one it is. */
export async function buildInputs() {
  const source = await fetchSource();
  const sources = { MOBILLM_LLAMA_CPP_DIR: source };
  if (process.env.MOBILLM_LLAMA_CPP_DIR === undefined) {
    return { sources, definitions: { MOBILLM_LLAMA_CPP_COMMIT: sourcePin.commit } };
  }
  if (!existsSync(join(source, '.git'))) return { sources };
  const commit = capture('git', ['rev-parse', '--short=9', 'HEAD'], { cwd: source });
  return { sources, definitions: { MOBILLM_LLAMA_CPP_COMMIT: commit } };
}
