import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Where downloads are kept between clones: `MOBILLM_CACHE_DIR`, or `mobillm` in the user's cache
 * folder.
 */
export function cacheFolder() {
  const { MOBILLM_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  if (MOBILLM_CACHE_DIR) return resolve(MOBILLM_CACHE_DIR);
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'mobillm');
}
