import { rejection, withSequence } from '@mobillm/core/testing';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMlcDriver } from '../src/index.js';
import { collect, expectCoded, heldByProcess } from './support/driving.js';
import { compiledTinyModel, filesOf, temporaryFolder } from './support/models.js';
import { runtimeFolder } from './support/runtime.js';
import { compileLibrary, forAarch64 } from './support/shared-objects.js';

const folder = temporaryFolder();
const ffi = join(runtimeFolder, 'libtvm_ffi.so');
const runtime = join(runtimeFolder, 'libtvm_runtime.so');
const whole = readFileSync(runtime);

function place(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** They end whoever calls them: what is refused must not be what a later runtime is bound to. */
const traps = [
  ...['FunctionSetGlobal', 'FunctionCall', 'FunctionGetGlobal', 'FunctionCreate'],
  ...['ObjectIncRef', 'ObjectDecRef', 'ErrorMoveFromRaised', 'ErrorSetRaised'],
  ...['TypeGetOrAllocIndex', 'TypeKeyToIndex', 'GetTypeInfo', 'StringFromByteArray'],
].map((name) => `int TVMFFI${name}(void) { abort(); }\n`);
const withVersion = (name: string, version: string, functions: readonly string[]): string =>
  compileLibrary(
    folder,
    name,
    `#include <stdlib.h>
    void TVMFFIGetVersion(unsigned *out) { unsigned v[] = {${version}}; for (int i = 0; i < 3; ++i) out[i] = v[i]; }
    ${functions.join('')}`,
    ['-Wl,-soname,libtvm_ffi.so'],
  );
const math = execFileSync('cc', ['-print-file-name=libm.so.6'], { encoding: 'utf8' }).trim();

describe('runtime libraries', () => {
  const none = join(folder, 'none.so');
  const missing = /There is no file .* Check the path/;
  const remedy = /Take it from the Python packages apache-tvm/;
  const cases: Readonly<
    Record<string, readonly [{ ffi: string; runtime: string }, string, RegExp]>
  > = {
    'of which tvm-ffi is missing': [{ ffi: none, runtime }, 'ADDON_NOT_FOUND', missing],
    'of which the runtime is missing': [{ ffi, runtime: none }, 'ADDON_NOT_FOUND', missing],
    'that are folders': [{ ffi: folder, runtime: folder }, 'ADDON_NOT_FOUND', missing],
    'that are a text': [
      { ffi: place('text.so', 'This is no library.\n'), runtime },
      'ADDON_INCOMPATIBLE',
      remedy,
    ],
    'that are empty': [{ ffi, runtime: place('empty.so', '') }, 'ADDON_INCOMPATIBLE', remedy],
    'that end within their header': [
      { ffi, runtime: place('header.so', whole.subarray(0, 63)) },
      'ADDON_INCOMPATIBLE',
      remedy,
    ],
    'that end within their segments': [
      { ffi, runtime: place('cut.so', whole.subarray(0, 100_000)) },
      'ADDON_INCOMPATIBLE',
      /is cut off\. Take it from/,
    ],
    'for another processor': [
      { ffi, runtime: place('arm.so', forAarch64(runtime)) },
      'ADDON_INCOMPATIBLE',
      /is made for AArch64, and this process is x86-64\./,
    ],
    'that are an executable': [{ ffi: process.execPath, runtime }, 'ADDON_INCOMPATIBLE', remedy],
    'that are not TVM at all': [
      { ffi: math, runtime },
      'ADDON_INCOMPATIBLE',
      /it has no function TVMFFIGetVersion/,
    ],
    'of a later tvm-ffi': [
      { ffi: withVersion('later.so', '0, 2, 0', traps), runtime },
      'ADDON_INCOMPATIBLE',
      /it is tvm-ffi 0\.2\.0, and this engine speaks 0\.1 from 0\.1\.13 on/,
    ],
    'of an earlier tvm-ffi': [
      { ffi: withVersion('earlier.so', '0, 1, 12', traps), runtime },
      'ADDON_INCOMPATIBLE',
      /it is tvm-ffi 0\.1\.12/,
    ],
    'that lack an entry point': [
      { ffi: withVersion('lacking.so', '0, 1, 15', traps.slice(0, 6)), runtime },
      'ADDON_INCOMPATIBLE',
      /it has no function TVMFFIErrorMoveFromRaised/,
    ],
    'that were confused with each other': [
      { ffi: runtime, runtime: ffi },
      'ADDON_INCOMPATIBLE',
      /it has no function TVMFFIGetVersion/,
    ],
    'that need what nothing here has': [
      {
        ffi,
        runtime: compileLibrary(
          folder,
          'needy.so',
          'int no_such_function(void); int TVMNeedy(void) { return no_such_function(); }',
        ),
      },
      'ADDON_INCOMPATIBLE',
      /no_such_function/,
    ],
    'of which the runtime registers nothing': [
      { ffi, runtime: compileLibrary(folder, 'idle.so', 'int idle(void) { return 0; }') },
      'ADDON_INCOMPATIBLE',
      /it has no function TVMBackendParallelLaunch/,
    ],
  };

  it.each(Object.entries(cases))(
    '%s are refused with a code, and nothing stays open',
    async (_what, [libraries, code, part]) => {
      // Node opens things of its own at the first file access.
      await rejection(createMlcDriver({ libraries: { ffi: none, runtime: none } }));
      const before = heldByProcess();
      const error = await rejection(createMlcDriver({ libraries }));
      expectCoded(error, code, part);
      expect(heldByProcess()).toEqual(before);
    },
  );

  it('in a folder that lacks one of them are refused, with what was looked for', async () => {
    const half = join(folder, 'half');
    mkdirSync(half);
    copyFileSync(ffi, join(half, 'libtvm_ffi.so'));
    const error = await rejection(createMlcDriver({ libraries: half }));
    expectCoded(error, 'ADDON_NOT_FOUND', /scripts\/fetch-runtime\.mjs/);
    expect(error).toMatchObject({
      details: { files: ['libtvm_ffi.so', 'libtvm_runtime.so'], searched: [half] },
    });
  });

  it.each([
    [{ libraries: '' }, 'libraries'],
    [{ libraries: { ffi } }, 'libraries.runtime'],
    [{ libraries: { ffi: 1, runtime } }, 'libraries.ffi'],
    [{ libraries: 7 }, 'libraries'],
    [{ library: runtimeFolder }, 'library'],
  ])('that are no paths, as in %j, are wrong calls', async (options, key) => {
    expect(await rejection(createMlcDriver(options as never))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      key,
    });
  });

  it('that are sound can still be opened and used after all this', async () => {
    const driver = await createMlcDriver({ libraries: { ffi, runtime } });
    expect(driver.devices).toHaveLength(1);
    const model = await driver.open(filesOf(await compiledTinyModel()), {
      contextTokens: 64,
      sequences: 1,
      threads: 1,
      engineOptions: {},
    });
    const { tokens } = await withSequence(model, (sequence) => collect(sequence, [1, 2, 3]));
    expect(tokens).toHaveLength(8);
    await model.close();
  });

  it('of a second runtime are refused, and the same by other names are not', async () => {
    const copy = join(folder, 'copy');
    mkdirSync(copy);
    for (const path of [ffi, runtime]) copyFileSync(path, path.replace(runtimeFolder, copy));
    const error = await rejection(createMlcDriver({ libraries: copy }));
    expectCoded(
      error,
      'UNSUPPORTED',
      /Use the same libraries for all engines, or another process\./,
    );
    expect(error).toMatchObject({ details: { loaded: runtime } });
    const detour = join(runtimeFolder, '..', '.', runtimeFolder.split('/').at(-1)!);
    const driver = await createMlcDriver({ libraries: `${detour}//` });
    expect(driver.name).toBe('mlc');
  });
});
