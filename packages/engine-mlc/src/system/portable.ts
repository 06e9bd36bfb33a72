import type { System } from './system.js';

const scope = globalThis as { readonly navigator?: { readonly product?: string } };

/** Browsers and React Native, where an application carries its libraries itself. */
export const system: System = {
  os: scope.navigator?.product === 'ReactNative' ? 'react-native' : 'browser',
  arch: '',
  homeFolder: '',
  environment: () => undefined,
  isFile: () => Promise.resolve(false),
  listFolder: () => Promise.resolve([]),
};
