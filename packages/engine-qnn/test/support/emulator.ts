import { ensureQnnEmulator } from '../../scripts/fetch-emulator.mjs';

/** Folder of Qualcomm's own emulator, which every test of this package runs on. */
export const emulatorFolder = await ensureQnnEmulator();

// Whatever else is installed on this machine, tests and their child processes take this one.
process.env['MOBILLM_QNN_LIBRARY_DIR'] = emulatorFolder;
