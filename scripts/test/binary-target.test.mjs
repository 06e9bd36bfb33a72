import { describe, expect, it } from 'vitest';
import { wrongTarget } from '../lib/binary-target.mjs';
import { platformNamed } from '../lib/platforms.mjs';
import { elf } from './elf.mjs';

function macho(machine) {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(0xfeedfacf, 0);
  bytes.writeUInt32LE(machine, 4);
  return bytes;
}

function pe(machine) {
  const bytes = Buffer.alloc(160);
  bytes.write('MZ', 0);
  bytes.writeUInt32LE(0x80, 0x3c);
  bytes.write('PE\0\0', 0x80);
  bytes.writeUInt16LE(machine, 0x84);
  return bytes;
}

const files = {
  'linux-x64': elf(0x3e),
  'linux-x64-musl': elf(0x3e, 'libc.musl-x86_64.so.1'),
  'linux-arm64': elf(0xb7),
  'linux-arm64-musl': elf(0xb7, 'libc.musl-aarch64.so.1'),
  'darwin-x64': macho(0x01000007),
  'darwin-arm64': macho(0x0100000c),
  'win32-x64': pe(0x8664),
};

describe('wrongTarget', () => {
  it('knows each platform by its files, and takes none for another one', () => {
    const names = Object.keys(files);
    const taken = names.map((name) =>
      names.filter((of) => wrongTarget(files[of], platformNamed(name)) === undefined),
    );
    expect(taken).toEqual(names.map((name) => [name]));
  });

  it('says what a file is instead', () => {
    const row = platformNamed('linux-x64');
    expect(wrongTarget(files['linux-arm64'], row)).toBe('is for arm64');
    expect(wrongTarget(elf(0xf3), row)).toBe('is for machine 243');
    expect(wrongTarget(files['linux-x64-musl'], row)).toBe(
      'is linked with another C library than glibc',
    );
    expect(wrongTarget(files['win32-x64'], row)).toBe('is no file for linux');
  });

  it('takes nothing that is cut off or of 32 bits', () => {
    const row = platformNamed('win32-x64');
    const farHeader = pe(0x8664);
    farHeader.writeUInt32LE(0xfffffff0, 0x3c);
    const narrow = elf(0x3e);
    narrow[4] = 1;
    for (const bytes of [Buffer.alloc(0), files['win32-x64'].subarray(0, 0x84), farHeader]) {
      expect(wrongTarget(bytes, row)).toBe('is no file for win32');
    }
    expect(wrongTarget(narrow, platformNamed('linux-x64'))).toBe('is no file for linux');
  });
});
