import { describe, expect, it } from 'vitest';
import { findLibraries } from '../../src/libraries/find-libraries.js';
import type { System } from '../../src/system/system.js';

interface Machine {
  readonly os?: string;
  readonly arch?: string;
  readonly homeFolder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
}

/** A machine made of data. */
function machine(own: Machine): System {
  const {
    os = 'linux',
    arch = 'x64',
    homeFolder = '/home/ada',
    environment = {},
    files = [],
  } = own;
  return {
    os,
    arch,
    homeFolder,
    environment: (name) => environment[name],
    isFile: (path) => Promise.resolve(files.includes(path)),
    listFolder: (path) =>
      Promise.resolve([
        ...new Set(
          files
            .filter((file) => file.startsWith(`${path}/`))
            .map((file) => file.slice(path.length + 1).split('/')[0]!),
        ),
      ]),
  };
}

const found = (folder: string) => ({
  ffi: `${folder}/libtvm_ffi.so`,
  runtime: `${folder}/libtvm_runtime.so`,
});
const both = (folder: string) => Object.values(found(folder));
const wheels = (packages: string) => ({
  ffi: `${packages}/tvm_ffi/lib/libtvm_ffi.so`,
  runtime: `${packages}/tvm/lib/libtvm_runtime.so`,
});
const failure = (running: Promise<unknown>) =>
  running.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );
const cached = '/home/ada/.cache/mobillm/tvm-runtime-linux-x64-0123456789ab';

describe('findLibraries', () => {
  it('takes the two paths that it is given as they are', async () => {
    const paths = { ffi: '/a/x.so', runtime: '/b/y.so' };
    expect(await findLibraries(machine({}), paths)).toEqual(paths);
  });

  it.each([
    ['TVM_LIBRARY_PATH', { environment: { TVM_LIBRARY_PATH: '/none::/opt/tvm/' } }, '/opt/tvm'],
    ['the cache of its script', {}, cached],
    [
      'a cache that is elsewhere',
      { environment: { MOBILLM_CACHE_DIR: '/caches/mine' } },
      '/caches/mine/tvm-runtime-linux-x64-1',
    ],
    [
      "the desktop's name for caches",
      { environment: { XDG_CACHE_HOME: '/caches' } },
      '/caches/mobillm/tvm-runtime-linux-x64-1',
    ],
  ])('finds them by %s', async (_how, own, folder) => {
    expect(await findLibraries(machine({ ...own, files: both(folder) }))).toEqual(found(folder));
  });

  it.each([
    [
      'a virtual environment of Python',
      { environment: { VIRTUAL_ENV: '/home/me/.venv' } },
      '/home/me/.venv/lib/python3.12/site-packages',
    ],
    [
      'an environment of Conda',
      { environment: { CONDA_PREFIX: '/conda' } },
      '/conda/lib/python3.11/site-packages',
    ],
    ["the user's Python packages", {}, '/home/ada/.local/lib/python3.11/site-packages'],
    ["the system's Python", {}, '/usr/lib/python3/dist-packages'],
    ['a Python that was built here', {}, '/usr/local/lib/python3.10/site-packages'],
  ])('finds the two wheels in %s', async (_how, own, packages) => {
    const files = Object.values(wheels(packages));
    expect(await findLibraries(machine({ ...own, files }))).toEqual(wheels(packages));
  });

  it('takes the two from two folders where the variable names them so', async () => {
    const files = ['/one/libtvm_ffi.so', '/two/libtvm_runtime.so'];
    const environment = { TVM_LIBRARY_PATH: '/one:/two' };
    expect(await findLibraries(machine({ environment, files }))).toEqual({
      ffi: files[0],
      runtime: files[1],
    });
  });

  it('finds them on Windows and macOS under their names there', async () => {
    const files = ['C:\\tvm/tvm_ffi.dll', 'C:\\tvm/tvm_runtime.dll'];
    const environment = { TVM_LIBRARY_PATH: 'C:\\other;C:\\tvm\\' };
    expect(await findLibraries(machine({ os: 'win32', environment, files }))).toEqual({
      ffi: files[0],
      runtime: files[1],
    });
    const dylibs = ['/opt/libtvm_ffi.dylib', '/opt/libtvm_runtime.dylib'];
    expect(await findLibraries(machine({ os: 'darwin', files: dylibs }), '/opt')).toEqual({
      ffi: dylibs[0],
      runtime: dylibs[1],
    });
  });

  it('prefers the cache to wheels, and takes no half of either', async () => {
    const packages = '/usr/lib/python3/dist-packages';
    const files = [...both(cached), ...Object.values(wheels(packages))];
    expect(await findLibraries(machine({ files }))).toEqual(found(cached));
    const half = files.filter((file) => file !== found(cached).runtime);
    expect(await findLibraries(machine({ files: half }))).toEqual(wheels(packages));
  });

  it("takes no cache of another processor's libraries", async () => {
    const files = both('/home/ada/.cache/mobillm/tvm-runtime-linux-arm64-1');
    expect(await failure(findLibraries(machine({ files })))).toMatchObject({
      code: 'ADDON_NOT_FOUND',
    });
  });

  it.each([
    ['the option', {}, '/named'],
    ['TVM_LIBRARY_PATH', { TVM_LIBRARY_PATH: '/named' }, undefined],
  ])('takes no other folder than the one that %s names', async (_what, environment, asked) => {
    const system = machine({ environment, files: both(cached) });
    expect(await failure(findLibraries(system, asked))).toMatchObject({
      code: 'ADDON_NOT_FOUND',
      details: { files: ['libtvm_ffi.so', 'libtvm_runtime.so'], searched: ['/named'] },
    });
  });

  it('lists what it looked at, and says how to get the libraries', async () => {
    const files = ['/usr/lib/python3/dist-packages/numpy/__init__.py'];
    const error = (await failure(findLibraries(machine({ files })))) as Error;
    expect(error).toMatchObject({
      code: 'ADDON_NOT_FOUND',
      details: {
        searched: [
          '/home/ada/.cache/mobillm/tvm-runtime-linux-x64-*',
          '/usr/lib/python3/site-packages/tvm_ffi/lib',
          '/usr/lib/python3/site-packages/tvm/lib',
          '/usr/lib/python3/dist-packages/tvm_ffi/lib',
          '/usr/lib/python3/dist-packages/tvm/lib',
        ],
      },
    });
    expect(error.message).toContain('scripts/fetch-runtime.mjs');
    expect(error.message).toContain('apache-tvm 0.27.0.post1');
    expect(error.message).toContain(
      '/usr/lib/python3/dist-packages/tvm/lib (the Python packages apache-tvm and apache-tvm-ffi)',
    );
  });

  it('says so where there is no folder to look in', async () => {
    const system = machine({ os: 'browser', arch: '', homeFolder: '' });
    const error = (await failure(findLibraries(system))) as Error;
    expect(error).toMatchObject({ code: 'ADDON_NOT_FOUND', details: { searched: [] } });
    expect(error.message).toMatch(/No folder is known to look in\.$/);
  });
});
