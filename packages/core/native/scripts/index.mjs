/** What the build scripts of all engines share; see an engine's scripts/shared.mjs. */

export * from './build-addon.mjs';
export * from './install-addon.mjs';
export * from './test-native.mjs';
export * from './tools.mjs';
