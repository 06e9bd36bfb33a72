/**
 * What `npm install` and `npm rebuild` run: compiles the addon where none is there for this platform.
 * In a checkout it does nothing, because `npm run build:native` builds there. The TVM runtime is not
 * downloaded here but by fetch-runtime.mjs, when somebody asks for it.
 */

import { engine } from './engine.mjs';
import { installAddon, main } from './shared.mjs';

await main(() => installAddon(engine));
