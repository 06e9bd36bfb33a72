import { joinPath } from '../paths.js';
import type { System } from '../system/system.js';
import { sdkFolders } from './library-names.js';

/** A folder in which the libraries may lie, and why it is looked at. */
export interface LibraryPlace {
  /** Path of the folder. */
  readonly folder: string;
  /** What named it, for messages: `QNN_SDK_ROOT`. */
  readonly reason: string;
}

/** Folders of the SDK that `QNN_SDK_ROOT` names. */
export function sdkPlaces(system: System): readonly LibraryPlace[] {
  const root = system.environment('QNN_SDK_ROOT');
  if (root === undefined) return [];
  return sdkFolders(system.os, system.arch).map((name) => ({
    folder: joinPath(root, 'lib', name),
    reason: 'QNN_SDK_ROOT',
  }));
}

/** Folders in which the system's own loader looks. */
export function loaderPlaces(system: System): readonly LibraryPlace[] {
  const [variable, separator] = system.os === 'win32' ? ['PATH', ';'] : ['LD_LIBRARY_PATH', ':'];
  // The loader takes an empty entry for the working folder; that is no place to take code from.
  return (system.environment(variable) ?? '')
    .split(separator)
    .filter((folder) => folder !== '')
    .map((folder) => ({ folder, reason: variable }));
}

/** Where the Python package onnxruntime-qnn puts the libraries, in the usual environments. */
export async function wheelPlaces(system: System): Promise<readonly LibraryPlace[]> {
  const places: LibraryPlace[] = [];
  for (const packages of await sitePackages(system)) {
    // Version 2 has a package of its own; version 1 lay inside that of ONNX Runtime.
    for (const name of ['onnxruntime_qnn', 'onnxruntime/capi']) {
      places.push({
        folder: joinPath(packages, name),
        reason: 'the Python package onnxruntime-qnn',
      });
    }
  }
  return places;
}

async function sitePackages(system: System): Promise<readonly string[]> {
  const environments = [system.environment('VIRTUAL_ENV'), system.environment('CONDA_PREFIX')];
  const named = environments.filter((folder) => folder !== undefined);
  if (system.os === 'win32') {
    return named.map((folder) => joinPath(folder, 'Lib', 'site-packages'));
  }
  const user = system.homeFolder === '' ? [] : [joinPath(system.homeFolder, '.local')];
  const found: string[] = [];
  const prefixes = [...named, ...programPrefixes(system), ...user, '/usr/local', '/usr'];
  for (const folder of new Set(prefixes)) {
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

/** Folders whose `bin` is searched for programs: a Python that is called by its name is in one. */
function programPrefixes(system: System): readonly string[] {
  return (system.environment('PATH') ?? '')
    .split(':')
    .filter((folder) => /^\/.+\/bin\/?$/.test(folder))
    .map((folder) => folder.replace(/\/bin\/?$/, ''));
}
