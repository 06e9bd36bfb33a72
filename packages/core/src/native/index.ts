export * from './abort.js';
export type { AddonRequest, LoadedAddon } from './addon-request.js';
export * from './from-native.js';
export * from './generation-stream.js';
export * from './load-addon-node.js';
export * from './native-sequence-driver.js';
export type * from './native-sequence.js';
export * from './to-int32-array.js';
