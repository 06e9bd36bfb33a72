import type { FileSystem } from './file-system.js';

/** Browsers and React Native have no file system of their own: the application passes one. */
export const fileSystem: FileSystem | undefined = undefined;
