import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadAddon, type AddonRequest } from '../../src/native/index.js';
import { loadAddon as loadInReactNative } from '../../src/native/load-addon-react-native.js';

const variable = 'MOBILLM_TEST_ADDON_PATH';
const platformPackage = `engine-test-${process.platform}-${process.arch}`;

describe('loadAddon', () => {
  let root: string;
  let request: AddonRequest;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mobillm-addon-'));
    await writeFile(join(root, 'package.json'), '{}');
    request = {
      name: 'test_addon',
      packageName: '@mobillm/engine-test',
      packageRoot: root,
      buildCommand: 'make it',
      expects: ['open'],
      variable,
    };
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    await rm(root, { recursive: true });
  });

  const place = async (...path: string[]) => {
    const file = join(root, ...path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, 'this is no shared library');
    return file;
  };
  const placePrebuilt = async () => {
    await place('node_modules', '@mobillm', platformPackage, 'package.json');
    await writeFile(
      join(root, 'node_modules', '@mobillm', platformPackage, 'package.json'),
      JSON.stringify({ name: `@mobillm/${platformPackage}` }),
    );
    return place('node_modules', '@mobillm', platformPackage, 'test_addon.node');
  };

  it('lists what it looked at and the command that builds the addon', async () => {
    const searched = [
      join(root, 'build', 'Release', 'test_addon.node'),
      join('node_modules', '@mobillm', platformPackage, 'test_addon.node'),
    ];
    const error: unknown = await loadAddon(request).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: 'MobillmError',
      code: 'ADDON_NOT_FOUND',
      details: {
        searched,
        reasons: [
          'nothing was compiled here',
          `the package @mobillm/${platformPackage} is not installed`,
        ],
        platform: process.platform,
        arch: process.arch,
        buildCommand: 'make it',
      },
    });
    for (const part of ['make it', ...searched]) expect((error as Error).message).toContain(part);
  });

  it('carries the message of the system for a file that it cannot load', async () => {
    const path = await place('build', 'Release', 'test_addon.node');
    const error: unknown = await loadAddon(request).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ADDON_INCOMPATIBLE', details: { path } });
    const { details, cause } = error as { details: { reason: string }; cause: Error };
    expect(details.reason).toBe(cause.message);
    expect((error as Error).message).toContain(details.reason);
  });

  it('takes the own build before the prebuilt package', async () => {
    await placePrebuilt();
    const path = await place('build', 'Release', 'test_addon.node');
    await expect(loadAddon(request)).rejects.toMatchObject({ details: { path } });
  });

  it('takes the prebuilt package where there is no own build', async () => {
    const path = await placePrebuilt();
    await expect(loadAddon(request)).rejects.toMatchObject({ details: { path } });
  });

  it('tries the prebuilt package where the own build cannot be loaded, and tells both reasons', async () => {
    const prebuilt = await placePrebuilt();
    const own = await place('build', 'Release', 'test_addon.node');
    const error: unknown = await loadAddon(request).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'ADDON_INCOMPATIBLE',
      details: {
        path: own,
        searched: [own, prebuilt],
        reasons: [
          expect.stringContaining(own) as string,
          expect.stringContaining(prebuilt) as string,
        ],
      },
    });
    for (const path of [own, prebuilt]) expect((error as Error).message).toContain(`  ${path}: `);
  });

  it('loads the prebuilt package past an own build that cannot be loaded', async () => {
    await place('build', 'Release', 'test_addon.node');
    const path = await placePrebuilt();
    const open = process.dlopen.bind(process);
    vi.spyOn(process, 'dlopen').mockImplementation((module, file) => {
      if (file !== path) {
        open(module, file);
        return;
      }
      (module as { exports: object }).exports = { open: () => undefined };
    });
    await expect(loadAddon(request)).resolves.toMatchObject({ path, folder: dirname(path) });
  });

  it('refuses the prebuilt package of another version', async () => {
    const path = await placePrebuilt();
    const manifest = (version: string) => JSON.stringify({ version });
    await writeFile(join(root, 'package.json'), manifest('1.2.0'));
    await writeFile(join(path, '..', 'package.json'), manifest('1.1.0'));
    const name = `@mobillm/${platformPackage}`;
    await expect(loadAddon(request)).rejects.toMatchObject({
      code: 'ADDON_INCOMPATIBLE',
      details: {
        path,
        reason: `${name} is version 1.1.0 and @mobillm/engine-test is 1.2.0: install ${name}@1.2.0`,
      },
    });
  });

  it('looks nowhere else when a file was named, and the option goes before the variable', async () => {
    await place('build', 'Release', 'test_addon.node');
    const named = join(root, 'named.node');
    vi.stubEnv(variable, named);
    await expect(loadAddon(request)).rejects.toMatchObject({
      code: 'ADDON_NOT_FOUND',
      details: { searched: [named], reasons: [`named by ${variable}, but not there`] },
    });
    const gone = join(root, 'gone.node');
    await expect(loadAddon({ ...request, addon: gone })).rejects.toMatchObject({
      code: 'ADDON_NOT_FOUND',
      details: { searched: [gone], reasons: ['named by the option "addon", but not there'] },
    });
    const option = await place('option.node');
    await expect(loadAddon({ ...request, addon: option })).rejects.toMatchObject({
      details: { path: option },
    });
  });

  it('takes an addon that is loaded already, if it exports what is expected', async () => {
    const addon = { open: () => undefined };
    await expect(loadAddon({ ...request, addon })).resolves.toEqual({
      exports: addon,
      path: undefined,
      folder: '',
    });
    await expect(loadAddon({ ...request, addon: { close: 5 } })).rejects.toMatchObject({
      code: 'ADDON_INCOMPATIBLE',
      details: { missing: ['open'] },
    });
  });

  describe('in React Native', () => {
    it('takes an addon that the application passes', async () => {
      const addon = { open: () => undefined };
      await expect(loadInReactNative({ ...request, addon })).resolves.toEqual({
        exports: addon,
        path: undefined,
        folder: '',
      });
    });

    it('asks react-native-node-api for the library by its linked name', async () => {
      const requireNodeAddon = vi.fn(() => ({ open: () => undefined }));
      vi.doMock('react-native-node-api', () => ({ requireNodeAddon }));
      await loadInReactNative(request);
      expect(requireNodeAddon).toHaveBeenCalledExactlyOnceWith('engine-test--test_addon');
      vi.doUnmock('react-native-node-api');
    });

    it('says what to do where that package is missing', async () => {
      await expect(loadInReactNative(request)).rejects.toMatchObject({
        code: 'ADDON_NOT_FOUND',
        details: { library: 'engine-test--test_addon' },
      });
    });
  });
});
