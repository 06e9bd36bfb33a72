import { UserError } from './user-error.mjs';

/**
 * The platforms that prebuilt addons are made for: the one table that their packages are generated
 * from. `platform`, `arch` and `libc` are Node's and npm's own words.
 */
export const platforms = [
  { platform: 'linux', arch: 'x64', libc: 'glibc' },
  { platform: 'linux', arch: 'x64', libc: 'musl' },
  { platform: 'linux', arch: 'arm64', libc: 'glibc' },
  { platform: 'linux', arch: 'arm64', libc: 'musl' },
  { platform: 'android', arch: 'arm64' },
  { platform: 'darwin', arch: 'arm64' },
  { platform: 'darwin', arch: 'x64' },
  { platform: 'win32', arch: 'x64' },
];

/**
 * Name of the package that holds an engine's addon for a platform.
 *
 * @param {string} engine name of the engine's package
 * @param {typeof platforms[number]} row
 */
export function prebuiltName(engine, { platform, arch, libc }) {
  return `${engine}-${platform}-${arch}${libc === 'musl' ? '-musl' : ''}`;
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
  const row = platforms.find(
    (item) => item.platform === platform && item.arch === arch && item.libc === libc,
  );
  if (row !== undefined) return row;
  throw new UserError(
    `There is no row for ${[platform, arch, libc].filter(Boolean).join(' ')} in scripts/lib/platforms.mjs: add one to make prebuilt addons for it.`,
  );
}
