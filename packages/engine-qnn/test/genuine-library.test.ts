import { rejection } from '@mobillm/core/testing';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { emulatorPin } from '../scripts/emulator-pin.mjs';
import { requireGenuine } from '../scripts/require-genuine.mjs';
import { openLibraries } from '../src/open-libraries.js';
import { emulatorFolder } from './support/emulator.js';
import { temporaryFolder } from './support/folders.js';

const folder = temporaryFolder();
const lookAlike = fileURLToPath(
  new URL('../build/native/test/libqnn_look_alike.so', import.meta.url),
);

/** A library in place of Qualcomm's, of which the others are the real ones. */
function folderWith(stranger: string, name: string): string {
  const place = join(folder, name);
  mkdirSync(place);
  for (const file of ['libQnnHtp.so', 'libHtpPrepare.so', 'libQnnSystem.so']) {
    symlinkSync(file === name ? stranger : join(emulatorFolder, file), join(place, file));
  }
  return place;
}

describe('the libraries of the tests', () => {
  it("are Qualcomm's, byte for byte", async () => {
    await requireGenuine(emulatorFolder);
  });

  it('are what the process has loaded, and say so', async () => {
    const { facts, close } = await openLibraries({});
    expect(facts).toEqual({
      provider: 'HTP_QTI_AISW',
      buildId: emulatorPin.buildId,
      coreApi: '2.40.0',
      backendApi: '5.51.0',
      systemApi: '1.15.0',
      devices: [{ id: 0, socModel: 30, htpArch: 68, vtcmMb: 4 }],
      emulated: true,
    });
    expect(emulatorPin.buildId).toBe('v2.51.0.260929181845');
    const loaded = readFileSync('/proc/self/maps', 'utf8').match(/\/\S*\/lib(Qnn|Htp)\w+\.so/g);
    expect(new Set(loaded)).toEqual(
      new Set([join(emulatorFolder, 'libQnnHtp.so'), join(emulatorFolder, 'libQnnSystem.so')]),
    );
    await close();
  });

  it.each(['libQnnHtp.so', 'libQnnSystem.so'])(
    'are not taken for real where %s only exports the entry points and says the same',
    async (name) => {
      const place = folderWith(lookAlike, name);
      const error = await rejection(requireGenuine(place));
      expect((error as Error).message).toContain(`${join(place, name)} is not Qualcomm's library`);
    },
  );

  it('are missed where there are none', async () => {
    const error = await rejection(requireGenuine(folder));
    expect((error as Error).message).toContain('sha256 of no file');
  });

  it('say the same in a look-alike, of which the engine still makes no model', async () => {
    const { addon, library, facts, close } = await openLibraries({
      libraries: { backend: lookAlike, system: lookAlike },
    });
    expect(facts).toMatchObject({ provider: 'HTP_QTI_AISW', buildId: emulatorPin.buildId });
    expect(facts.devices).toEqual([]);
    expect(addon).toBeDefined();
    const binary = { path: lookAlike, bytes: 1, sha256: '0'.repeat(64) };
    expect(await rejection(library.inspect(binary))).toMatchObject({ code: 'INTEGRITY_FAILED' });
    await close();
  });
});
