import { joinPath } from '../paths.js';
import type { System } from '../system/system.js';

/** Folders in which the libraries may lie together, and why they are looked at. */
export interface LibraryPlace {
  /** Paths of the folders; each library is in one of them. */
  readonly folders: readonly string[];
  /** What named it, for messages: `TVM_LIBRARY_PATH`. */
  readonly reason: string;
}

/** Folders that the variable names which TVM's own Python package reads, too. */
export function namedPlaces(system: System): readonly LibraryPlace[] {
  const variable = 'TVM_LIBRARY_PATH';
  const folders = (system.environment(variable) ?? '')
    .split(system.os === 'win32' ? ';' : ':')
    // An empty entry would be the working folder; that is no place to take code from.
    .filter((folder) => folder !== '');
  return folders.length === 0 ? [] : [{ folders, reason: variable }];
}

/** Where `scripts/fetch-runtime.mjs` puts them. */
export async function cachePlaces(system: System): Promise<readonly LibraryPlace[]> {
  const cache = cacheFolder(system);
  if (cache === undefined) return [];
  const prefix = `tvm-runtime-${system.os}-${system.arch}-`;
  const names = (await system.listFolder(cache)).filter((name) => name.startsWith(prefix));
  // With none there, the message still says where they would be.
  return (names.length === 0 ? [`${prefix}*`] : names.sort().reverse()).map((name) => ({
    folders: [joinPath(cache, name)],
    reason: 'the cache of scripts/fetch-runtime.mjs',
  }));
}

function cacheFolder(system: System): string | undefined {
  const named = system.environment('MOBILLM_CACHE_DIR');
  if (named !== undefined) return named;
  const base = system.environment('XDG_CACHE_HOME');
  if (base !== undefined) return joinPath(base, 'mobillm');
  return system.homeFolder === '' ? undefined : joinPath(system.homeFolder, '.cache', 'mobillm');
}

/** Where the Python packages lie in the usual environments. No Python is run. */
export async function wheelPlaces(system: System): Promise<readonly LibraryPlace[]> {
  const environments = [system.environment('VIRTUAL_ENV'), system.environment('CONDA_PREFIX')];
  const named = environments.filter((folder) => folder !== undefined);
  const user = system.homeFolder === '' ? [] : [joinPath(system.homeFolder, '.local')];
  const prefixes = system.os === 'win32' ? named : [...named, ...user, '/usr/local', '/usr'];
  const places: LibraryPlace[] = [];
  for (const packages of await sitePackages(system, prefixes)) {
    places.push({
      folders: [joinPath(packages, 'tvm_ffi', 'lib'), joinPath(packages, 'tvm', 'lib')],
      reason: 'the Python packages apache-tvm and apache-tvm-ffi',
    });
  }
  return places;
}

async function sitePackages(
  system: System,
  prefixes: readonly string[],
): Promise<readonly string[]> {
  if (system.os === 'win32') {
    return prefixes.map((folder) => joinPath(folder, 'Lib', 'site-packages'));
  }
  const found: string[] = [];
  for (const folder of prefixes) {
    const library = joinPath(folder, 'lib');
    const pythons = (await system.listFolder(library)).filter((name) =>
      /^python3(\.\d+)?$/.test(name),
    );
    for (const python of pythons.sort().reverse()) {
      for (const packages of ['site-packages', 'dist-packages']) {
        found.push(joinPath(library, python, packages));
      }
    }
  }
  return found;
}
