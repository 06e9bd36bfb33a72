import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { platformNamed, platforms, prebuiltName } from '../lib/platforms.mjs';
import { makePrebuilt } from '../lib/prebuilt.mjs';
import { readJson, root } from '../lib/workspace.mjs';
import { elf } from './elf.mjs';

const x64 = 0x3e;
const arm64 = 0xb7;

describe('makePrebuilt', () => {
  const own = readJson(join(root, 'packages', 'engine-llamacpp', 'package.json'));
  let from;
  let out;

  beforeEach(() => {
    const work = mkdtempSync(join(tmpdir(), 'mobillm-prebuilt-'));
    from = join(work, 'Release');
    out = join(work, 'out');
    place('mobillm_llamacpp.node', elf(arm64));
    place('libggml-base.so', elf(arm64));
    place('LICENSE.llama.cpp', 'its licence');
    place('ninja.log', 'left over');
  });

  afterEach(() => rmSync(join(from, '..'), { recursive: true }));

  function place(path, content) {
    mkdirSync(join(from, path, '..'), { recursive: true });
    writeFileSync(join(from, path), content);
  }
  const make = (name = 'linux-arm64') =>
    makePrebuilt({ out, engine: 'engine-llamacpp', from, row: platformNamed(name) });

  it('generates the package of the addon, and one for each back end beside it', () => {
    place('vulkan/libggml-vulkan.so', elf(arm64));
    place('opencl/keep.txt', 'nothing was built here');
    const made = make();
    const common = {
      version: own.version,
      license: 'MIT',
      os: ['linux'],
      cpu: ['arm64'],
      libc: ['glibc'],
      engines: own.engines,
    };
    expect(made.map(({ folder }) => readJson(join(folder, 'package.json')))).toEqual([
      {
        ...common,
        name: '@mobillm/engine-llamacpp-linux-arm64',
        description: 'The addon of @mobillm/engine-llamacpp for linux arm64.',
        main: './mobillm_llamacpp.node',
        files: ['libggml-base.so', 'mobillm_llamacpp.node', 'LICENSE.llama.cpp'],
      },
      {
        ...common,
        name: '@mobillm/engine-llamacpp-linux-arm64-vulkan',
        description: 'The vulkan back end of @mobillm/engine-llamacpp for linux arm64.',
        peerDependencies: { '@mobillm/engine-llamacpp': own.version },
        files: ['libggml-vulkan.so', 'LICENSE.llama.cpp'],
      },
    ]);
    expect(made.map(({ backend }) => backend)).toEqual([undefined, 'vulkan']);
    for (const { folder, manifest } of made) {
      expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain(manifest.name);
      expect(readFileSync(join(folder, 'LICENSE.llama.cpp'), 'utf8')).toBe('its licence');
    }
  });

  it.each([
    ['linux-x64', /is for arm64, and was to go into/],
    ['linux-arm64-musl', /is linked with another C library than musl/],
    ['darwin-arm64', /is no file for darwin/],
    ['win32-x64', /is no file for win32/],
    ['linux-riscv64', /There is no row for linux-riscv64/],
  ])('refuses to make a package for %s of it', (name, message) => {
    expect(() => make(name)).toThrow(message);
  });

  it('refuses one library of another machine among the others', () => {
    place('libggml-cpu-x64.so', elf(x64));
    expect(() => make()).toThrow(/libggml-cpu-x64\.so is for x64/);
  });

  it('refuses a file that is no library', () => {
    place('libggml-base.so', 'a text');
    expect(() => make()).toThrow(/libggml-base\.so is no file for linux/);
  });

  it('refuses a back end that the platform does not have', () => {
    place('hexagon/libggml-hexagon.so', elf(arm64));
    expect(() => make()).toThrow(/The back end hexagon is none of linux arm64/);
  });

  it('refuses an addon without the licence of the library in it, and a folder without addon', () => {
    rmSync(join(from, 'LICENSE.llama.cpp'));
    expect(() => make()).toThrow(/holds no licence/);
    rmSync(join(from, 'mobillm_llamacpp.node'));
    expect(() => make()).toThrow(/There is no addon/);
  });
});

describe('the table of platforms', () => {
  it('names each package once', () => {
    const names = platforms.flatMap((row) =>
      [undefined, ...row.backends].map((backend) => prebuiltName('engine', row, backend)),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('engine-linux-x64-musl-vulkan');
    expect(names).toContain('engine-android-arm64-hexagon');
  });
});
