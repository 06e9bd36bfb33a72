/** Machine numbers of each format, as Node's architectures. */
const machines = {
  elf: { 0x3e: 'x64', 0xb7: 'arm64' },
  macho: { 0x01000007: 'x64', 0x0100000c: 'arm64' },
  pe: { 0x8664: 'x64', 0xaa64: 'arm64' },
};

const formatsOf = { linux: 'elf', android: 'elf', darwin: 'macho', win32: 'pe' };

/**
 * Why a shared library is not one for a platform, as a clause; `undefined` where it is. A package under
 * the wrong name installs well and fails at its users.
 *
 * @param {Buffer} bytes the file, 64-bit ELF, Mach-O or PE
 * @param {import('./platforms.mjs').platforms[number]} row
 */
export function wrongTarget(bytes, { platform, arch, libc }) {
  const { format, machine } = readHeader(bytes);
  if (format !== formatsOf[platform]) return `is no file for ${platform}`;
  const found = machines[format][machine] ?? `machine ${machine}`;
  if (found !== arch) return `is for ${found}`;
  if (platform === 'linux' && bytes.includes('libc.so.6\0') !== (libc === 'glibc')) {
    return `is linked with another C library than ${libc}`;
  }
  return undefined;
}

function readHeader(bytes) {
  if (bytes.length < 64) return {};
  if (bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2) {
    return { format: 'elf', machine: bytes.readUInt16LE(18) };
  }
  if (bytes.readUInt32LE(0) === 0xfeedfacf) {
    return { format: 'macho', machine: bytes.readUInt32LE(4) };
  }
  const header = bytes.toString('latin1', 0, 2) === 'MZ' ? bytes.readUInt32LE(0x3c) : bytes.length;
  if (header + 6 <= bytes.length && bytes.readUInt32BE(header) === 0x50450000) {
    return { format: 'pe', machine: bytes.readUInt16LE(header + 4) };
  }
  return {};
}
