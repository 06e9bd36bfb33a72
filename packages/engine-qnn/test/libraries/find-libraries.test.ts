import { describe, expect, it } from 'vitest';
import { findLibraries } from '../../src/libraries/find-libraries.js';
import type { System } from '../../src/system/system.js';

interface Machine {
  readonly os?: string;
  readonly arch?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
}

/** A machine made of data. */
function machine({ os = 'linux', arch = 'x64', environment = {}, files = [] }: Machine): System {
  return {
    os,
    arch,
    homeFolder: '/home/ada',
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

const both = (folder: string) => [`${folder}/libQnnHtp.so`, `${folder}/libQnnSystem.so`];
const found = (folder: string) => ({
  backend: `${folder}/libQnnHtp.so`,
  system: `${folder}/libQnnSystem.so`,
});
const failure = (running: Promise<unknown>) =>
  running.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );

describe('findLibraries', () => {
  it('takes the two paths that it is given as they are', async () => {
    const paths = { backend: '/a/x.so', system: '/b/y.so' };
    expect(await findLibraries(machine({}), paths)).toEqual(paths);
  });

  it.each([
    [
      'QNN_SDK_ROOT on x86-64',
      { environment: { QNN_SDK_ROOT: '/sdk/' } },
      '/sdk/lib/x86_64-linux-clang',
    ],
    [
      'QNN_SDK_ROOT on an Arm board',
      { arch: 'arm64', environment: { QNN_SDK_ROOT: '/sdk' } },
      '/sdk/lib/aarch64-ubuntu-gcc9.4',
    ],
    [
      'QNN_SDK_ROOT in Termux',
      { os: 'android', arch: 'arm64', environment: { QNN_SDK_ROOT: '/sdk' } },
      '/sdk/lib/aarch64-android',
    ],
    ['LD_LIBRARY_PATH', { environment: { LD_LIBRARY_PATH: '/none::/opt/qnn' } }, '/opt/qnn'],
    [
      'a virtual environment of Python',
      { environment: { VIRTUAL_ENV: '/home/me/.venv' } },
      '/home/me/.venv/lib/python3.12/site-packages/onnxruntime_qnn',
    ],
    [
      "the user's Python packages",
      {},
      '/home/ada/.local/lib/python3.11/site-packages/onnxruntime_qnn',
    ],
    [
      'a Python whose program is on the path',
      { environment: { PATH: '/usr/bin:/opt/pythons/3.11/bin' } },
      '/opt/pythons/3.11/lib/python3.11/site-packages/onnxruntime_qnn',
    ],
    ["the system's Python", {}, '/usr/lib/python3/dist-packages/onnxruntime_qnn'],
    ['the older package', {}, '/usr/local/lib/python3.10/site-packages/onnxruntime/capi'],
    [
      'MOBILLM_QNN_LIBRARY_DIR',
      { environment: { MOBILLM_QNN_LIBRARY_DIR: '/opt/mine' } },
      '/opt/mine',
    ],
  ])('finds them by %s', async (_how, own, folder) => {
    expect(await findLibraries(machine({ ...own, files: both(folder) }))).toEqual(found(folder));
  });

  it('finds them on Windows under their names there', async () => {
    const files = ['C:\\qnn/QnnHtp.dll', 'C:\\qnn/QnnSystem.dll'];
    const system = machine({ os: 'win32', environment: { PATH: 'C:\\other;C:\\qnn\\' }, files });
    expect(await findLibraries(system)).toEqual({ backend: files[0], system: files[1] });
  });

  it('prefers the SDK to the search path, and that to a wheel', async () => {
    const sdk = '/sdk/lib/x86_64-linux-clang';
    const path = '/opt/qnn';
    const wheel = '/usr/lib/python3/dist-packages/onnxruntime_qnn';
    const environment = { QNN_SDK_ROOT: '/sdk', LD_LIBRARY_PATH: path };
    const find = (files: readonly string[]) => findLibraries(machine({ environment, files }));
    expect(await find([...both(wheel), ...both(path), ...both(sdk)])).toEqual(found(sdk));
    expect(await find([...both(wheel), ...both(path)])).toEqual(found(path));
    expect(await find(both(wheel))).toEqual(found(wheel));
  });

  it('never takes the two from different folders', async () => {
    const files = ['/one/libQnnHtp.so', '/two/libQnnSystem.so', ...both('/three')];
    const environment = { LD_LIBRARY_PATH: '/one:/two:/three' };
    expect(await findLibraries(machine({ environment, files }))).toEqual(found('/three'));
  });

  it.each([
    ['the option', {}, '/named'],
    ['MOBILLM_QNN_LIBRARY_DIR', { MOBILLM_QNN_LIBRARY_DIR: '/named' }, undefined],
  ])('takes no other folder than the one that %s names', async (_what, own, asked) => {
    const environment = { ...own, LD_LIBRARY_PATH: '/opt/qnn' };
    const system = machine({ environment, files: both('/opt/qnn') });
    expect(await failure(findLibraries(system, asked))).toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { files: ['libQnnHtp.so', 'libQnnSystem.so'], searched: ['/named'] },
    });
  });

  it('lists what it looked at, and says how to get the libraries', async () => {
    const environment = { QNN_SDK_ROOT: '/sdk', LD_LIBRARY_PATH: '/opt/qnn' };
    const error = (await failure(findLibraries(machine({ environment })))) as Error;
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      details: {
        searched: ['/sdk/lib/x86_64-linux-clang', '/opt/qnn'],
        platform: 'linux',
        arch: 'x64',
      },
    });
    expect(error.message).toContain('pip install --no-deps onnxruntime-qnn');
    expect(error.message).toContain('/opt/qnn (LD_LIBRARY_PATH)');
  });

  it.each([
    ['React Native', { os: 'react-native', arch: '' }],
    ['Node on Android', { os: 'android', arch: 'arm64' }],
  ])(
    "leaves it to the loader to find an application's own libraries in %s",
    async (_where, own) => {
      expect(await findLibraries(machine(own))).toEqual({
        backend: 'libQnnHtp.so',
        system: 'libQnnSystem.so',
      });
    },
  );

  it.each(['darwin', 'browser'])('says that there are none for %s', async (os) => {
    expect(await failure(findLibraries(machine({ os })))).toMatchObject({
      code: 'UNSUPPORTED',
      details: { platform: os },
    });
  });
});
