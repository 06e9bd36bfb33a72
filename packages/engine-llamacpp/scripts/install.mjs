/**
 * What `npm install` and `npm rebuild` run: compiles the addon where none is there for this platform.
 * With `MOBILLM_BACKENDS` it compiles one with those back ends even where a prebuilt one is installed.
 * In a checkout it does nothing, because `npm run build:native` builds there.
 */

import { engine, buildInputs } from './engine.mjs';
import { installAddon, main } from './shared.mjs';

await main(() =>
  installAddon({
    ...engine,
    prepare: buildInputs,
    ownBuild: Boolean(process.env.MOBILLM_BACKENDS),
  }),
);
