import { join } from 'node:path';
import { packageFolder } from './shared.mjs';

/** What the shared build scripts are told of this engine. Nothing of TVM is needed to build it. */
export const engine = Object.freeze({
  packageFolder,
  addonName: 'mobillm_mlc',
  addonVariable: 'MOBILLM_MLC_ADDON',
  sanitizedLife: join(packageFolder, 'test', 'fixtures', 'sanitized-life.mjs'),
});
