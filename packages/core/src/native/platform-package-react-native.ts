import type { PlatformPackage, PlatformPackageRequest } from './platform-package.js';

/** A phone's application has no packages: what it uses is linked into it. */
export function platformPackage({ packageName, suffix }: PlatformPackageRequest): PlatformPackage {
  return { name: [packageName, suffix].filter(Boolean).join('-'), folder: undefined };
}
