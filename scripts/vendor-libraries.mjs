// Fetches what the engines load at run time and the repository does not hold: TVM's runtime and
// compiler, and Qualcomm's library with the emulator of its processor. As a command: prints where they
// are, as assignments for a shell.
//   node scripts/vendor-libraries.mjs
import { fileURLToPath } from 'node:url';
import { ensureMlcCompiler } from '../packages/engine-mlc/scripts/fetch-compiler.mjs';
import { ensureMlcRuntime } from '../packages/engine-mlc/scripts/fetch-runtime.mjs';
import { ensureQnnEmulator } from '../packages/engine-qnn/scripts/fetch-emulator.mjs';
import { runMain } from './lib/user-error.mjs';

/**
 * Downloads what is missing (about 350 MB, once) and checks its sha256.
 *
 * @returns {Promise<Record<string, string>>} variables under which the engines find them
 * @throws {UserError} when python, pip or the network is missing, or a sum is wrong.
 */
export async function ensureVendorLibraries() {
  const runtime = await ensureMlcRuntime();
  await ensureMlcCompiler();
  const emulator = await ensureQnnEmulator();
  return { TVM_LIBRARY_PATH: runtime, MOBILLM_QNN_LIBRARY_DIR: emulator };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    for (const [name, value] of Object.entries(await ensureVendorLibraries())) {
      console.log(`export ${name}='${value}'`);
    }
  });
}
