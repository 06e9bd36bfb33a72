export type { AddonRequest, LoadedAddon } from './addon-request.js';
export * from './from-native.js';
export * from './load-addon-node.js';
