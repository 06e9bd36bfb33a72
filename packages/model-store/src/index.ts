export { createModelStore, type ModelStoreOptions } from './create-model-store.js';
export type { DeviceModelStore, PullModelOptions } from './device-model-store.js';
export type {
  FileFacts,
  FileSystem,
  FileUpdater,
  FileWriter,
  Sha256,
} from './file-system/file-system.js';
