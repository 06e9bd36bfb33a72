/** The start of a 64-bit ELF file for a machine, linked with a C library. */
export function elf(machine, library = 'libc.so.6') {
  const bytes = Buffer.alloc(128);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes[4] = 2;
  bytes.writeUInt16LE(machine, 18);
  bytes.write(`${library}\0`, 80);
  return bytes;
}
