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
  backendDefinitions: (names) => ({ MOBILLM_BACKENDS: ['rpc', ...names].join(',') }),
  sanitizedLife: join(packageFolder, 'test', 'fixtures', 'sanitized-life.mjs'),
});

/** What else the addon is built from: the library's source, and which one it is. */
export async function buildInputs() {
  const source = await fetchSource();
  const sources = { MOBILLM_LLAMA_CPP_DIR: source };
  // What `npm rebuild` is told, which takes no options.
  const backends = process.env.MOBILLM_BACKENDS;
  const commit = commitOf(source);
  const definitions = {
    ...(commit !== undefined && { MOBILLM_LLAMA_CPP_COMMIT: commit }),
    ...(backends && { MOBILLM_BACKENDS: backends }),
  };
  return { sources, definitions };
}

function commitOf(source) {
  if (process.env.MOBILLM_LLAMA_CPP_DIR === undefined) return sourcePin.commit;
  if (!existsSync(join(source, '.git'))) return undefined;
  return capture('git', ['rev-parse', '--short=9', 'HEAD'], { cwd: source });
}
