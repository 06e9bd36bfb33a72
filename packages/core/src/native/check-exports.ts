import { MobillmError } from '../errors/mobillm-error.js';
import type { AddonRequest } from './addon-request.js';

/**
 * Makes sure that a loaded addon is the one its engine was written for.
 *
 * @throws MobillmError `ADDON_INCOMPATIBLE`, naming what is missing.
 */
export function checkExports(
  request: AddonRequest,
  exports: unknown,
  path: string | undefined,
): Readonly<Record<string, unknown>> {
  const found = (typeof exports === 'object' && exports !== null ? exports : {}) as Record<
    string,
    unknown
  >;
  const missing = request.expects.filter((name) => typeof found[name] !== 'function');
  if (missing.length > 0) {
    throw new MobillmError(
      'ADDON_INCOMPATIBLE',
      `The addon ${path ?? request.name} is not of this version of ${request.packageName}: it does not export ${missing.join(', ')}. Build it again with "${request.buildCommand}".`,
      { details: { path, missing } },
    );
  }
  return found;
}
