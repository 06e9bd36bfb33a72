/** Configures and builds an addon: by cmake-js where it is installed, by plain cmake elsewhere. */

import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { findProgram, requireProgram, run } from './tools.mjs';

/** An addon's file in a build folder; `addonName` is its name without `.node`. */
export const addonFile = (buildFolder, addonName) =>
  join(buildFolder, 'Release', `${addonName}.node`);

/** Compilers at once: one a processor, and a gibibyte of memory for each. */
function parallelism() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 2 ** 30)));
}

/**
 * What a compiler cache needs to find in one checkout what another one compiled: paths below the
 * checkout count as relative, and where the compiler runs does not count.
 */
function cacheEnvironment(packageFolder) {
  if (findProgram('ccache') === undefined) return {};
  return {
    CCACHE_BASEDIR: process.env.CCACHE_BASEDIR ?? join(packageFolder, '..', '..'),
    CCACHE_NOHASHDIR: process.env.CCACHE_NOHASHDIR ?? '1',
  };
}

function requireCompiler() {
  if (process.platform === 'win32' || process.env.CXX) return;
  requireProgram('c++', 'g++', 'clang++');
}

function cmakeJs(packageFolder) {
  try {
    const require = createRequire(join(packageFolder, 'package.json'));
    const manifest = require.resolve('cmake-js/package.json');
    return join(dirname(manifest), 'bin', 'cmake-js');
  } catch {
    return undefined;
  }
}

/**
 * A source tree under a name in the build folder: by its own path a compiler cache would take the
 * same source in another place, as in an installed package, for another one.
 */
function linkSource({ packageFolder, buildFolder }, name, source) {
  const link = join(buildFolder, 'source', name);
  // The cache would see through a link to a source beside the build folder, as packed ones are.
  const way = relative(packageFolder, source);
  if (!way.startsWith('..') && !isAbsolute(way)) {
    cpSync(source, link, { recursive: true });
    return link;
  }
  const there = lstatSync(link, { throwIfNoEntry: false });
  if (there?.isSymbolicLink() && readlinkSync(link) === source) return link;
  // What was compiled from another source has the same path now, and files of that one may be newer.
  if (there !== undefined) rmSync(buildFolder, { recursive: true });
  try {
    mkdirSync(dirname(link), { recursive: true });
    // A junction needs no privilege on Windows, and is a symbolic link elsewhere.
    symlinkSync(source, link, 'junction');
    return link;
  } catch {
    // A file system without links: only the compiler cache misses it.
    return source;
  }
}

/**
 * Builds an engine's addon.
 *
 * @param {object} engine
 * @param {string} engine.packageFolder folder of the engine's package, with its CMakeLists.txt
 * @param {string} engine.addonName name of the addon's file without `.node`
 * @param {string} engine.buildFolder where everything that is made goes
 * @param {Record<string, string>} [engine.definitions] CMake variables
 * @param {Record<string, string>} [engine.sources] CMake variables that name source trees
 */
export async function compile(engine) {
  const { packageFolder, addonName, buildFolder, sources = {} } = engine;
  const links = Object.entries(sources).map(([variable, source]) => [
    variable,
    linkSource(engine, variable.toLowerCase(), source),
  ]);
  const definitions = { ...engine.definitions, ...Object.fromEntries(links) };
  const cmake = requireProgram('cmake');
  requireCompiler();
  // Windows has its own generator; make serves where ninja is missing and make is not.
  const generator =
    process.platform === 'win32'
      ? undefined
      : findProgram('ninja') === undefined && findProgram('make') !== undefined
        ? 'Unix Makefiles'
        : 'Ninja';
  if (generator === 'Ninja') requireProgram('ninja');
  const parallel = String(parallelism());
  const options = {
    cwd: packageFolder,
    env: { ...process.env, ...cacheEnvironment(packageFolder) },
  };

  const script = cmakeJs(packageFolder);
  if (script !== undefined) {
    const common = [
      ...['--out', buildFolder, '--log-level', 'warn'],
      ...(generator === undefined ? [] : ['--generator', generator]),
    ];
    const defines = Object.entries(definitions).map(([key, value]) => `--CD${key}=${value}`);
    await run(process.execPath, [script, 'configure', ...common, ...defines], options);
    await run(process.execPath, [script, 'build', ...common, '--parallel', parallel], options);
  } else {
    const defines = Object.entries({ CMAKE_BUILD_TYPE: 'Release', ...definitions }).map(
      ([key, value]) => `-D${key}=${value}`,
    );
    const chosen = generator === undefined ? [] : ['-G', generator];
    await run(cmake, ['-S', packageFolder, '-B', buildFolder, ...chosen, ...defines], options);
    await run(
      cmake,
      ['--build', buildFolder, '--config', 'Release', '--parallel', parallel],
      options,
    );
  }
  const addon = addonFile(buildFolder, addonName);
  if (!existsSync(addon)) throw new Error(`The build went through, but made no ${addon}.`);
}
