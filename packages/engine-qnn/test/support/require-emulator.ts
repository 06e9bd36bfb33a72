import { ensureQnnEmulator } from '../../scripts/fetch-emulator.mjs';
import { requireGenuine } from '../../scripts/require-genuine.mjs';

/** Before any test: a run on libraries that are not Qualcomm's fails as a whole. */
export async function setup(): Promise<void> {
  await requireGenuine(await ensureQnnEmulator());
}
