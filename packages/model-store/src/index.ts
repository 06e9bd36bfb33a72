export { createModelStore, type ModelStoreOptions } from './create-model-store.js';
export type { FileFacts, FileSystem, FileWriter, Sha256 } from './file-system/file-system.js';
