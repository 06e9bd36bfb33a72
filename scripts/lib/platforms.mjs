import { UserError } from './user-error.mjs';

/**
 * The platforms that prebuilt addons are made for: the one table that their packages are generated
 * from. `platform`, `arch` and `libc` are Node's and npm's own words. `backends`: what llama.cpp can
 * compute on there beside the CPU by a library of its own, which is a package of its own. (Metal and RPC
 * come with the addon: the one needs nothing that a Mac does not have, the other is small.)
 */
export const platforms = [
  { platform: 'linux', arch: 'x64', libc: 'glibc', backends: ['cuda', 'opencl', 'vulkan'] },
  { platform: 'linux', arch: 'x64', libc: 'musl', backends: ['vulkan'] },
  { platform: 'linux', arch: 'arm64', libc: 'glibc', backends: ['cuda', 'opencl', 'vulkan'] },
  { platform: 'linux', arch: 'arm64', libc: 'musl', backends: ['vulkan'] },
  { platform: 'android', arch: 'arm64', backends: ['hexagon', 'opencl', 'vulkan'] },
  { platform: 'darwin', arch: 'arm64', backends: [] },
  { platform: 'darwin', arch: 'x64', backends: [] },
  { platform: 'win32', arch: 'x64', backends: ['cuda', 'opencl', 'vulkan'] },
];

/** What a platform is called in names of packages: `linux-x64`, `linux-arm64-musl`. */
export function platformName({ platform, arch, libc }) {
  return `${platform}-${arch}${libc === 'musl' ? '-musl' : ''}`;
}

/**
 * Name of the package that holds an engine's addon for a platform, or of the one that holds a back end.
 *
 * @param {string} engine name of the engine's package
 * @param {typeof platforms[number]} row
 * @param {string} [backend]
 */
export function prebuiltName(engine, row, backend) {
  return [engine, platformName(row), backend].filter(Boolean).join('-');
}

/**
 * The row of that name.
 *
 * @param {string} name
 * @throws {UserError} when there is none.
 */
export function platformNamed(name) {
  const row = platforms.find((item) => platformName(item) === name);
  if (row !== undefined) return row;
  throw new UserError(
    `There is no row for ${name} in scripts/lib/platforms.mjs, but for ${platforms.map(platformName).join(', ')}.`,
  );
}

/**
 * The row of the machine that this runs on.
 *
 * @throws {UserError} when there is none.
 */
export function hostPlatform() {
  const { platform, arch } = process;
  const isGlibc = process.report.getReport().header.glibcVersionRuntime !== undefined;
  const libc = platform === 'linux' ? (isGlibc ? 'glibc' : 'musl') : undefined;
  return platformNamed(platformName({ platform, arch, libc }));
}
