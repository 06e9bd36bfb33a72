import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PlatformPackage, PlatformPackageRequest } from './platform-package.js';

/**
 * The package of this platform that belongs to another one: `<package>-<platform>-<architecture>`, with
 * `-musl` where the C library is musl, and with the suffix that was asked for.
 */
export function platformPackage(request: PlatformPackageRequest): PlatformPackage {
  const { packageName, packageRoot, suffix } = request;
  const name = [packageName, platformName(), suffix].filter(Boolean).join('-');
  const anchor = join(packageRoot ?? process.cwd(), 'package.json');
  try {
    return { name, folder: dirname(createRequire(anchor).resolve(`${name}/package.json`)) };
  } catch {
    return { name, folder: undefined };
  }
}

/** `linux-x64`, `linux-arm64-musl`, `android-arm64`, `darwin-arm64`, `win32-x64`. */
export function platformName(): string {
  const base = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' && isMusl() ? `${base}-musl` : base;
}

function isMusl(): boolean {
  // Asked of the file system: a process report, which knows it too, takes tens of milliseconds.
  const processors: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
  const processor = processors[process.arch] ?? process.arch;
  return existsSync(`/lib/ld-musl-${processor}.so.1`);
}
