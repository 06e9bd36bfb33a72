import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Byte of an ELF header at which the processor stands, and the number of AArch64 there. */
const machineOffset = 18;
const aarch64 = 0xb7;

/** The bytes of a shared library, made to be one for AArch64 as its header says. */
export function forAarch64(path: string): Buffer {
  const bytes = readFileSync(path);
  bytes.writeUInt16LE(aarch64, machineOffset);
  return bytes;
}

/** Compiles C into a shared library below a folder, as `cc` makes one for this machine. */
export function compileLibrary(
  folder: string,
  name: string,
  source: string,
  flags: readonly string[] = [],
): string {
  const path = join(folder, name);
  const text = `${path}.c`;
  writeFileSync(text, source);
  execFileSync('cc', ['-shared', '-fPIC', '-o', path, text, ...flags]);
  return path;
}
