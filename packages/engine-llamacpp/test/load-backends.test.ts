import { platformPackage } from '@mobillm/core/native';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { LlamaCppAddon, NativeBackendLoad } from '../src/addon.js';
import { loadBackends } from '../src/load-backends.js';

vi.mock('@mobillm/core/native', async (original) => ({
  ...(await original<object>()),
  platformPackage: vi.fn(),
}));

const name = '@mobillm/engine-llamacpp-test-vulkan';
const packageFolder = '/app/node_modules/vulkan';

/** An addon that has no back end. Of its files some say `loads`, and others why they do not. */
function fakeAddon(files: Readonly<Record<string, string>> = {}) {
  const loaded = new Set<string>();
  const asked: string[] = [];
  const loadBackend = (backend: string, folder: string): NativeBackendLoad => {
    const path = `${folder}/libggml-${backend}.so`;
    asked.push(path);
    const outcome = files[path];
    if (outcome === undefined) return { path, outcome: 'missing', reason: '' };
    if (outcome !== 'loads') return { path, outcome: 'refused', reason: outcome };
    loaded.add(backend);
    return { path, outcome: 'loaded', reason: '' };
  };
  const addon = { hasBackend: (it: string) => loaded.has(it), loadBackend };
  return { addon: addon as unknown as LlamaCppAddon, asked, loaded };
}

describe('loadBackends', () => {
  const besides = '/build/vulkan/libggml-vulkan.so';
  const packaged = `${packageFolder}/libggml-vulkan.so`;

  beforeEach(() => {
    vi.mocked(platformPackage).mockReturnValue({ name, folder: packageFolder });
  });

  const failureOf = (files: Record<string, string>): unknown => {
    try {
      loadBackends(fakeAddon(files).addon, '/build', ['vulkan']);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it('takes the one beside the addon before that of the package', () => {
    const fake = fakeAddon({ [besides]: 'loads', [packaged]: 'loads' });
    loadBackends(fake.addon, '/build', ['vulkan']);
    expect(fake.asked).toEqual([besides]);
  });

  it('takes that of the package where the one beside the addon is missing or refused', () => {
    for (const files of [{}, { [besides]: 'no driver' }]) {
      const fake = fakeAddon({ ...files, [packaged]: 'loads' });
      loadBackends(fake.addon, '/build', ['vulkan']);
      expect(fake.asked).toEqual([besides, packaged]);
      expect(fake.loaded).toEqual(new Set(['vulkan']));
    }
  });

  it('looks into the package alone where the addon has no file', () => {
    const fake = fakeAddon({ [packaged]: 'loads' });
    loadBackends(fake.addon, '', ['vulkan']);
    expect(fake.asked).toEqual([packaged]);
  });

  it('tells every place, and why it was not taken', () => {
    expect(failureOf({ [besides]: 'no driver', [packaged]: 'too old' })).toMatchObject({
      code: 'ADDON_INCOMPATIBLE',
      message: expect.stringContaining(
        `Tried:\n  ${besides}: no driver\n  ${packaged}: too old`,
      ) as string,
      details: {
        backend: 'vulkan',
        package: name,
        searched: [besides, packaged],
        reasons: ['no driver', 'too old'],
        path: besides,
        reason: 'no driver',
      },
    });
    expect(failureOf({})).toMatchObject({
      code: 'ADDON_NOT_FOUND',
      details: { searched: [besides, packaged], reasons: ['not there', 'not there'] },
    });
    vi.mocked(platformPackage).mockReturnValue({ name, folder: undefined });
    expect(failureOf({})).toMatchObject({
      code: 'ADDON_NOT_FOUND',
      message: expect.stringContaining(`Install ${name}, or build it in`) as string,
      details: { searched: [besides, `the package ${name}`], reasons: ['not there', 'not there'] },
    });
  });

  it('does not load a package of another version', () => {
    const unfit = 'of another version';
    vi.mocked(platformPackage).mockReturnValue({ name, folder: packageFolder, unfit });
    expect(failureOf({ [packaged]: 'loads' })).toMatchObject({
      code: 'ADDON_INCOMPATIBLE',
      details: { path: packageFolder, reason: unfit },
    });
  });

  it('goes without those that cannot be loaded where none was named', () => {
    const fake = fakeAddon({ [packaged]: 'no driver' });
    loadBackends(fake.addon, '/build', 'auto');
    expect(fake.asked).toContain(packaged);
    expect(fake.loaded.size).toBe(0);
  });
});
