/** Configures and builds the addon: by cmake-js where it is installed, by plain cmake elsewhere. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, requireProgram, run } from './tools.mjs';

/** Folder of this package. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url));

/** The addon's file in a build folder. */
export const addonFile = (buildFolder) => join(buildFolder, 'Release', 'mobillm_llamacpp.node');

/** Compilers at once: one a processor, and a gibibyte of memory for each. */
function parallelism() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 2 ** 30)));
}

/**
 * What a compiler cache needs to find in one checkout what another one compiled: paths below this
 * folder count as relative, and where the compiler runs does not count.
 */
function cacheEnvironment() {
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

function cmakeJs() {
  try {
    const manifest = createRequire(import.meta.url).resolve('cmake-js/package.json');
    return join(dirname(manifest), 'bin', 'cmake-js');
  } catch {
    return undefined;
  }
}

/**
 * Builds the addon.
 *
 * @param {object} options
 * @param {string} options.source a llama.cpp source tree
 * @param {string} options.buildFolder where everything that is made goes
 * @param {Record<string, string>} [options.definitions] further CMake variables
 */
export async function compile({ source, buildFolder, definitions = {} }) {
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
  const variables = { MOBILLM_LLAMA_CPP_DIR: source, ...definitions };
  const parallel = String(parallelism());
  const options = { cwd: packageFolder, env: { ...process.env, ...cacheEnvironment() } };

  const script = cmakeJs();
  if (script !== undefined) {
    const common = [
      ...['--out', buildFolder, '--log-level', 'warn'],
      ...(generator === undefined ? [] : ['--generator', generator]),
    ];
    const defines = Object.entries(variables).map(([key, value]) => `--CD${key}=${value}`);
    await run(process.execPath, [script, 'configure', ...common, ...defines], options);
    await run(process.execPath, [script, 'build', ...common, '--parallel', parallel], options);
  } else {
    const defines = Object.entries({ CMAKE_BUILD_TYPE: 'Release', ...variables }).map(
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
  if (!existsSync(addonFile(buildFolder))) {
    throw new Error(`The build went through, but made no ${addonFile(buildFolder)}.`);
  }
}
