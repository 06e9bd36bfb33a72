import { MobillmError } from '@mobillm/core';
import { joinPath } from '../paths.js';
import type { System } from '../system/system.js';
import { howToGetLibraries, type LibraryNames, libraryNames } from './library-names.js';
import { type LibraryPlace, loaderPlaces, sdkPlaces, wheelPlaces } from './library-places.js';

/** Paths of Qualcomm's two libraries. */
export interface QnnLibraries {
  /** The HTP back end: `libQnnHtp.so`, `QnnHtp.dll`. */
  readonly backend: string;
  /** The reader of context binaries: `libQnnSystem.so`, `QnnSystem.dll`. */
  readonly system: string;
}

/**
 * Finds Qualcomm's libraries, which this SDK may not pass on. Both are taken from one folder, the first
 * of these that holds them: the one that `asked` or `MOBILLM_QNN_LIBRARY_DIR` names, and then no other;
 * the SDK of `QNN_SDK_ROOT`; the folders of `LD_LIBRARY_PATH` (`PATH` on Windows); an installed Python
 * package onnxruntime-qnn. On Android, whose loader knows an application's own libraries by their
 * names, the bare names are what is left.
 *
 * @param asked the option of the engine's factory: a folder, or the two paths, which are taken as they
 * are
 * @throws MobillmError `UNSUPPORTED` with all that was looked at and how to get the libraries, and on a
 * platform that Qualcomm makes none for; `FILE_NOT_FOUND` where a folder was named that lacks one.
 */
export async function findLibraries(
  system: System,
  asked?: string | QnnLibraries,
): Promise<QnnLibraries> {
  if (typeof asked === 'object') return asked;
  const names = libraryNames(system.os);
  if (names === undefined) {
    throw new MobillmError(
      'UNSUPPORTED',
      `There is no HTP library. ${howToGetLibraries(system.os, system.arch)}`,
      { details: { platform: system.os, arch: system.arch } },
    );
  }
  const named = namedPlace(system, asked);
  const places = named === undefined ? await usualPlaces(system) : [named];
  for (const { folder } of places) {
    const found = inFolder(folder, names);
    if ((await system.isFile(found.backend)) && (await system.isFile(found.system))) return found;
  }
  const linked = system.os === 'react-native' || system.os === 'android';
  if (linked && named === undefined) return { ...names };
  throw notFound(system, names, places, named !== undefined);
}

function namedPlace(system: System, asked: string | undefined): LibraryPlace | undefined {
  if (asked !== undefined) return { folder: asked, reason: 'the option "libraries"' };
  const folder = system.environment('MOBILLM_QNN_LIBRARY_DIR');
  return folder === undefined ? undefined : { folder, reason: 'MOBILLM_QNN_LIBRARY_DIR' };
}

async function usualPlaces(system: System): Promise<readonly LibraryPlace[]> {
  return [...sdkPlaces(system), ...loaderPlaces(system), ...(await wheelPlaces(system))];
}

function inFolder(folder: string, names: LibraryNames): QnnLibraries {
  return { backend: joinPath(folder, names.backend), system: joinPath(folder, names.system) };
}

function notFound(
  system: System,
  names: LibraryNames,
  places: readonly LibraryPlace[],
  wasNamed: boolean,
): MobillmError {
  const where =
    places.length === 0
      ? 'No folder is named by QNN_SDK_ROOT, MOBILLM_QNN_LIBRARY_DIR or the search path, and no Python environment was found.'
      : `Looked in:\n${places.map(({ folder, reason }) => `  ${folder} (${reason})`).join('\n')}`;
  return new MobillmError(
    wasNamed ? 'FILE_NOT_FOUND' : 'UNSUPPORTED',
    `Qualcomm's libraries ${names.backend} and ${names.system} were not found; their licence forbids that this package carries them. ${howToGetLibraries(system.os, system.arch)} The option "libraries" and the environment variable MOBILLM_QNN_LIBRARY_DIR name a folder that holds both. ${where}`,
    {
      details: {
        files: [names.backend, names.system],
        searched: places.map(({ folder }) => folder),
        platform: system.os,
        arch: system.arch,
      },
    },
  );
}
