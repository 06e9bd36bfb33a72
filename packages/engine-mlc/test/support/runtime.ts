import { ensureMlcRuntime } from '../../scripts/fetch-runtime.mjs';

/** Folder of the TVM runtime that every test of this package runs on. */
export const runtimeFolder = await ensureMlcRuntime();

// Whatever else is installed on this machine, tests and their child processes take this one.
process.env['TVM_LIBRARY_PATH'] = runtimeFolder;
