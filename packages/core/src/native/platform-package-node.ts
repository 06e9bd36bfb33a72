import { existsSync, readFileSync } from 'node:fs';
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
  let manifest: string;
  try {
    manifest = createRequire(anchor).resolve(`${name}/package.json`);
  } catch {
    return { name, folder: undefined };
  }
  const folder = dirname(manifest);
  const own = packageRoot === undefined ? undefined : versionIn(anchor);
  const version = versionIn(manifest);
  if (own === undefined || version === undefined || own === version) return { name, folder };
  const unfit = `${name} is version ${version} and ${packageName} is ${own}: install ${name}@${own}`;
  return { name, folder, unfit };
}

function versionIn(manifest: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    // Whoever took the manifest away knows what they do.
    return undefined;
  }
}

/** `linux-x64`, `linux-arm64-musl`, `android-arm64`, `darwin-arm64`, `win32-x64`. */
export function platformName(): string {
  const base = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' && isMusl() ? `${base}-musl` : base;
}

function isMusl(): boolean {
  // Asked of the file system: a process report, which knows it too, takes tens of milliseconds.
  const loaders: Readonly<Record<string, readonly [musl: string, glibc: string]>> = {
    x64: ['/lib/ld-musl-x86_64.so.1', '/lib64/ld-linux-x86-64.so.2'],
    arm64: ['/lib/ld-musl-aarch64.so.1', '/lib/ld-linux-aarch64.so.1'],
  };
  const [musl = `/lib/ld-musl-${process.arch}.so.1`, glibc = ''] = loaders[process.arch] ?? [];
  if (!existsSync(musl)) return false;
  // Each C library can be installed beside the other one; what counts is which this process has.
  return !existsSync(glibc) || !reportsGlibc();
}

function reportsGlibc(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime !== undefined;
}
