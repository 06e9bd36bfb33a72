// Fetches what the engines load at run time and the repository does not hold: TVM's runtime and
// compiler, and Qualcomm's library with the emulator of its processor. As a command: prints where they
// are, as assignments for a shell.
//   node scripts/vendor-libraries.mjs
import { fileURLToPath } from 'node:url';
import { ensureMlcCompiler } from '../packages/engine-mlc/scripts/fetch-compiler.mjs';
import { ensureMlcRuntime } from '../packages/engine-mlc/scripts/fetch-runtime.mjs';
import { ensureQnnEmulator } from '../packages/engine-qnn/scripts/fetch-emulator.mjs';
import { requireGenuine } from '../packages/engine-qnn/scripts/require-genuine.mjs';
import { runMain } from './lib/user-error.mjs';

/**
 * Why the engines' libraries cannot be had on this machine; `undefined` where they can. Both come as
 * wheels for Linux on x86-64 with glibc, which is also where their tests run.
 *
 * @returns {string | undefined}
 */
export function noVendorLibraries() {
  const { platform, arch, report } = process;
  const glibc = report?.getReport?.().header.glibcVersionRuntime;
  if (platform !== 'linux' || arch !== 'x64' || glibc === undefined) {
    return `TVM and Qualcomm's emulator are tested on Linux x64 with glibc, and this is ${platform} ${arch}`;
  }
  const [major = 0, minor = 0] = glibc.split('.').map(Number);
  if (major > 2 || minor >= 35) return undefined;
  return `Qualcomm's emulator needs glibc 2.35, and this machine has ${glibc}`;
}

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
  await requireGenuine(emulator);
  return { TVM_LIBRARY_PATH: runtime, MOBILLM_QNN_LIBRARY_DIR: emulator };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    for (const [name, value] of Object.entries(await ensureVendorLibraries())) {
      console.log(`export ${name}='${value}'`);
    }
  });
}
