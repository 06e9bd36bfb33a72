import { MobillmError } from '../errors/mobillm-error.js';
import type { AddonRequest, LoadedAddon } from './addon-request.js';
import { checkExports } from './check-exports.js';

/**
 * Loads an engine's addon in React Native: the object that the application passed, or the library
 * that `react-native-node-api` linked into it under its default name (package name without scope,
 * two dashes, name of the addon).
 *
 * @throws MobillmError `ADDON_NOT_FOUND` without `react-native-node-api`, or when it has no such
 * library; `ADDON_INCOMPATIBLE` for one of another version.
 */
export async function loadAddon(request: AddonRequest): Promise<LoadedAddon> {
  const exports = typeof request.addon === 'object' ? request.addon : await requireLinked(request);
  return { exports: checkExports(request, exports, undefined), path: undefined, folder: '' };
}

async function requireLinked(request: AddonRequest): Promise<unknown> {
  const packageName = request.packageName.replace(/^@[^/]*\//, '');
  const library =
    typeof request.addon === 'string' ? request.addon : `${packageName}--${request.name}`;
  try {
    const host = await import('react-native-node-api');
    return host.requireNodeAddon(library);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MobillmError(
      'ADDON_NOT_FOUND',
      `The native library "${library}" is not linked into this application: ${reason}. Install react-native-node-api, link the addon of ${request.packageName} and build the application again; or pass the loaded addon in the option "addon".`,
      { details: { library, reason }, cause: error },
    );
  }
}
