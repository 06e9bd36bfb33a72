import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emulatorPin } from '../../scripts/emulator-pin.mjs';
import { ensureQnnEmulator, whyNoEmulator } from '../../scripts/fetch-emulator.mjs';

describe('the emulator', () => {
  it.each([
    [{ platform: 'linux', arch: 'x64', glibc: '2.35' }, undefined],
    [{ platform: 'linux', arch: 'x64', glibc: '2.41' }, undefined],
    [{ platform: 'linux', arch: 'x64', glibc: '3.0' }, undefined],
    [{ platform: 'linux', arch: 'x64', glibc: '2.31' }, 'glibc 2.31'],
    [{ platform: 'linux', arch: 'x64' }, 'C library'],
    [{ platform: 'linux', arch: 'arm64', glibc: '2.41' }, 'arm64'],
    [{ platform: 'darwin', arch: 'arm64' }, 'darwin'],
  ])('on %j is %j', (machine, reason) => {
    const sentence = whyNoEmulator(machine);
    if (reason === undefined) expect(sentence).toBeUndefined();
    else expect(sentence).toMatch(new RegExp(`^Qualcomm's HTP emulator needs .*${reason}.*\\.$`));
  });

  it('lies in the cache with its licence, and is in no file that the package publishes', async () => {
    const folder = await ensureQnnEmulator();
    const root = dirname(folder);
    for (const { name } of emulatorPin.entries) expect(existsSync(join(root, name))).toBe(true);
    expect(readdirSync(folder)).toEqual(
      expect.arrayContaining(['LICENSE', 'Qualcomm_LICENSE.pdf']),
    );
    const manifest = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { readonly files: readonly string[] };
    expect(manifest.files).not.toContain('scripts');
    expect(manifest.files.filter((file) => /emulator|wheel|\.so/.test(file))).toEqual([]);
  });
});
