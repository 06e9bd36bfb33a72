import { rejection } from '@mobillm/core/testing';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createQnnCompiler } from '../src/compile/index.js';
import { createQnnDriver } from '../src/index.js';
import { emulatorFolder } from './support/emulator.js';
import { temporaryFolder } from './support/folders.js';
import { writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const backend = join(emulatorFolder, 'libQnnHtp.so');
const system = join(emulatorFolder, 'libQnnSystem.so');

/** Byte of an ELF header at which the processor stands, and the number of AArch64 there. */
const machineOffset = 18;
const aarch64 = 0xb7;

function place(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function forAnotherProcessor(): string {
  const bytes = readFileSync(system);
  bytes.writeUInt16LE(aarch64, machineOffset);
  return place('libArm.so', bytes);
}

/** A library that says a version which Qualcomm's pinned one does not have. */
function lookAlike(version: 'next' | 'old'): string {
  return fileURLToPath(
    new URL(`../build/native/test/libqnn_look_alike_${version}.so`, import.meta.url),
  );
}

const pipe = join(folder, 'pipe.so');
execFileSync('mkfifo', [pipe]);

describe('libraries', () => {
  const whole = readFileSync(system);
  const cases: Readonly<Record<string, readonly [{ backend: string; system: string }, string]>> = {
    'of which the back end is missing': [
      { backend: join(folder, 'none.so'), system },
      'FILE_NOT_FOUND',
    ],
    'of which the reader is missing': [
      { backend, system: join(folder, 'none.so') },
      'FILE_NOT_FOUND',
    ],
    'that are a folder': [{ backend: folder, system }, 'FILE_NOT_FOUND'],
    'that are a text': [
      { backend: place('text.so', 'This is no library.\n'), system },
      'ADDON_INCOMPATIBLE',
    ],
    'that are a pipe which nobody writes into': [{ backend, system: pipe }, 'FILE_NOT_FOUND'],
    'that are empty': [{ backend: place('empty.so', ''), system }, 'ADDON_INCOMPATIBLE'],
    'that are cut off': [
      { backend, system: place('cut.so', whole.subarray(0, 100_000)) },
      'ADDON_INCOMPATIBLE',
    ],
    'for another processor': [{ backend: forAnotherProcessor(), system }, 'ADDON_INCOMPATIBLE'],
    'that are not QNN at all': [{ backend: 'libm.so.6', system }, 'ADDON_INCOMPATIBLE'],
    'that were confused with each other': [
      { backend: system, system: backend },
      'ADDON_INCOMPATIBLE',
    ],
    'of a major version that nobody has seen': [
      { backend: lookAlike('next'), system },
      'ADDON_INCOMPATIBLE',
    ],
    'of which the reader is of such a version': [
      { backend, system: lookAlike('next') },
      'ADDON_INCOMPATIBLE',
    ],
    'of a version that is too old': [{ backend: lookAlike('old'), system }, 'ADDON_INCOMPATIBLE'],
    'of another back end': [
      { backend: join(emulatorFolder, 'libQnnSaver.so'), system },
      'ADDON_INCOMPATIBLE',
    ],
  };

  it.each(Object.entries(cases))('%s are refused with a code', async (what, [libraries, code]) => {
    const error = await rejection(createQnnDriver({ libraries }));
    expect(error).toMatchObject({ name: 'MobillmError', code });
    expect((error as Error).message).toMatch(/\w{3,} .*\.$/s);
    // Other versions are told apart from what is no QNN library.
    if (/version/.test(what)) expect((error as Error).message).toMatch(/version|API/);
  });

  it('in a folder that lacks one of them are refused, with what was looked for', async () => {
    const half = join(folder, 'half');
    mkdirSync(half);
    copyFileSync(system, join(half, 'libQnnSystem.so'));
    expect(await rejection(createQnnDriver({ libraries: half }))).toMatchObject({
      code: 'FILE_NOT_FOUND',
      details: { files: ['libQnnHtp.so', 'libQnnSystem.so'], searched: [half] },
    });
  });

  it('that are missing stop the compiler as well', async () => {
    const compiler = createQnnCompiler({ libraries: join(folder, 'nowhere') });
    const compiling = compiler.compile(writeTinyModel(folder), { folder: join(folder, 'out') });
    expect(await rejection(compiling)).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('that are sound can still be opened after all this', async () => {
    const driver = await createQnnDriver({ libraries: emulatorFolder });
    expect(driver.devices).toHaveLength(1);
    await driver.close?.();
  });
});
