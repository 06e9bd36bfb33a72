import { join } from 'node:path';
import { createHybridEngine, type Engine, type ModelFiles } from '@mobillm/core';
import { describeEngine, driverOf } from '@mobillm/core/testing';
import { createLlamaCppEngine } from '@mobillm/engine-llamacpp';
import { createMlcEngine } from '@mobillm/engine-mlc';
import { createQnnEngine } from '@mobillm/engine-qnn';
import { afterAll } from 'vitest';
import {
  compileForMlc,
  compileForQnn,
  gguf,
  temporaryFolder,
  writeTinyModel,
} from './support/models.js';

const folder = temporaryFolder();
const path = await writeTinyModel(folder, 'f16');
// Every step of the Hexagon processor attends to the whole context that was compiled in.
const contextTokens = 256;
const missingPath = join(folder, 'missing.gguf');
const common = { files: gguf(path), folder, missingPath, contextTokens };

const engines: Engine[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine.close())));

/** A hybrid's driver; the suite closes what it opens through it, this file the two engines. */
async function hybridDriver(
  create: () => Promise<Engine>,
  files: ModelFiles,
  engineOptions: Readonly<Record<string, unknown>> = {},
) {
  const [prefill, decode] = [await create(), await createLlamaCppEngine()];
  engines.push(prefill, decode);
  return driverOf(
    createHybridEngine({
      prefill: { engine: prefill, files, engineOptions },
      decode: { engine: decode, files: common.files },
    }),
  );
}

const qnnFiles = await compileForQnn(path, 'tiny', { contextTokens });
describeEngine("a hybrid of Qualcomm's HTP emulator and llama.cpp", {
  ...common,
  createDriver: () => hybridDriver(createQnnEngine, qnnFiles),
});

const mlcFiles = await compileForMlc(path, 'tiny');
describeEngine('a hybrid of MLC and llama.cpp', {
  ...common,
  createDriver: () => hybridDriver(createMlcEngine, mlcFiles, { batchTokens: 32 }),
});
