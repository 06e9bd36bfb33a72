export { createModelStore, type ModelStoreOptions } from './create-model-store.js';
export { createPullControl, type PullControl } from './download/pull-control.js';
export type {
  DescribedModel,
  DescribeModelOptions,
  DeviceModelStore,
  DiscoverOptions,
  PullModelOptions,
} from './device-model-store.js';
export type { ExportModelOptions, ExportReport } from './export/export-options.js';
export type { FitOptions, FittingChoice } from './fit/choose-fitting.js';
export type {
  DeviceVerifyReport,
  PrunedItem,
  PruneOptions,
  PruneReport,
  StoreVerifyReport,
  VerifiedFile,
  VerifyOptions,
} from './house/house-types.js';
export type {
  FileFacts,
  FileHash,
  FileSystem,
  FileUpdater,
  FileWriter,
  Sha256,
  TakenBytes,
} from './file-system/file-system.js';
export type { ForeignApp, FoundModel } from './foreign/found-model.js';
