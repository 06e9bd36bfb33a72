import { MobillmError } from '@mobillm/core';
import { joinPath } from '../paths.js';
import type { System } from '../system/system.js';
import { howToGetLibraries, libraryNames, type TvmLibraries } from './library-names.js';
import { cachePlaces, type LibraryPlace, namedPlaces, wheelPlaces } from './library-places.js';

/**
 * Finds the TVM runtime. Taken from the first of these that holds both libraries: what `asked` names,
 * and then no other; the folders of `TVM_LIBRARY_PATH`, and then no other; the cache that
 * `scripts/fetch-runtime.mjs` fills; installed Python packages apache-tvm and apache-tvm-ffi.
 *
 * @param asked the option of the engine's factory: a folder, or the two paths, which are taken as they
 * are
 * @throws MobillmError `ADDON_NOT_FOUND` with all that was looked at and how to get the libraries.
 */
export async function findLibraries(
  system: System,
  asked?: string | TvmLibraries,
): Promise<TvmLibraries> {
  if (typeof asked === 'object') return asked;
  const places = await placesToLook(system, asked);
  const names = libraryNames(system.os);
  for (const { folders } of places) {
    const ffi = await firstFile(system, folders, names.ffi);
    const runtime = await firstFile(system, folders, names.runtime);
    if (ffi !== undefined && runtime !== undefined) return { ffi, runtime };
  }
  throw notFound(names, places);
}

async function placesToLook(
  system: System,
  asked: string | undefined,
): Promise<readonly LibraryPlace[]> {
  if (asked !== undefined) return [{ folders: [asked], reason: 'the option "libraries"' }];
  const named = namedPlaces(system);
  if (named.length > 0) return named;
  return [...(await cachePlaces(system)), ...(await wheelPlaces(system))];
}

async function firstFile(
  system: System,
  folders: readonly string[],
  name: string,
): Promise<string | undefined> {
  for (const folder of folders) {
    const path = joinPath(folder, name);
    if (await system.isFile(path)) return path;
  }
  return undefined;
}

function notFound(names: TvmLibraries, places: readonly LibraryPlace[]): MobillmError {
  const searched = places.flatMap(({ folders }) => folders);
  const where = places.flatMap(({ folders, reason }) =>
    folders.map((folder) => `  ${folder} (${reason})`),
  );
  return new MobillmError(
    'ADDON_NOT_FOUND',
    `The TVM runtime, ${names.ffi} and ${names.runtime}, was not found. ${howToGetLibraries} The option "libraries" and the environment variable TVM_LIBRARY_PATH name folders to look in. ${where.length === 0 ? 'No folder is known to look in.' : `Looked in:\n${where.join('\n')}`}`,
    { details: { files: [names.ffi, names.runtime], searched } },
  );
}
