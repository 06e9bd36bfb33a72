import { join } from 'node:path';
import { packageFolder } from './shared.mjs';

/** What the shared build scripts are told of this engine. Nothing of Qualcomm's is needed to build it. */
export const engine = Object.freeze({
  packageFolder,
  addonName: 'mobillm_qnn',
  addonVariable: 'MOBILLM_QNN_ADDON',
  sanitizedLife: join(packageFolder, 'test', 'fixtures', 'sanitized-life.mjs'),
});
