import { rejection } from '@mobillm/core/testing';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromNative } from '@mobillm/core/native';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeCompileOptions, NativeOpenOptions } from '../src/addon.js';
import { shapeOf } from '../src/manifest/shape-of.js';
import { readModelFolder } from '../src/model-folder.js';
import { type OpenLibraries, openLibraries } from '../src/open-libraries.js';
import { emulatorFolder } from './support/emulator.js';
import { temporaryFolder } from './support/folders.js';
import { compileCached, writeTinyModel } from './support/models.js';

const folder = temporaryFolder();
const source = writeTinyModel(folder);
const files = await compileCached(source);

/** What the addon says when its objects are used otherwise than the engine does. */
describe('the addon', () => {
  let libraries: OpenLibraries;
  let openOptions: NativeOpenOptions;
  let compileOptions: NativeCompileOptions;
  beforeAll(async () => {
    libraries = await openLibraries({});
    const { manifest, binaryPath } = await readModelFolder(files);
    const shape = shapeOf(manifest.parameters);
    openOptions = {
      binary: { ...manifest.binaries[0], path: binaryPath },
      madeWith: manifest.madeWith,
      shape,
      ropeBase: 10_000,
      ropeScale: 1,
      compiledContextTokens: manifest.contextTokens,
      graphs: manifest.graphs,
      contextTokens: 64,
      sequences: 1,
    };
    const weight = { offset: 0, type: 0, shape: [1] };
    const layer = {
      ...{ attentionNorm: weight, query: weight, key: weight, value: weight },
      ...{ attentionOutput: weight, feedForwardNorm: weight, gate: weight, up: weight },
      down: weight,
    };
    compileOptions = {
      source,
      weights: { tokenEmbedding: weight, outputNorm: weight, layers: [layer, layer] },
      weightPairing: 'neox',
      shape,
      rmsEpsilon: 1e-5,
      contextTokens: 64,
      graphs: [{ name: 'decode', tokens: 1 }],
      shareWeights: false,
      output: join(folder, 'out.bin'),
    };
  });
  afterAll(() => libraries.close());

  const thrown = (call: () => unknown): unknown => {
    try {
      call();
    } catch (error) {
      return fromNative(error);
    }
    return 'nothing was thrown';
  };

  it('loads a model once', async () => {
    const model = new libraries.addon.Model(libraries.library, openOptions);
    const loading = model.load();
    expect(thrown(() => model.load())).toMatchObject({ code: 'BUSY' });
    await loading;
    expect(thrown(() => model.load())).toMatchObject({ code: 'BUSY' });
    await model.close();
  });

  it('makes no sequence of a model that is not loaded, or failed to', async () => {
    const model = new libraries.addon.Model(libraries.library, {
      ...openOptions,
      graphs: [{ name: 'other', tokens: 1 }],
    });
    expect(thrown(() => model.createSequence())).toMatchObject({ code: 'CLOSED' });
    expect(fromNative(await rejection(model.load()))).toMatchObject({ code: 'MODEL_INVALID' });
    expect(thrown(() => model.createSequence())).toMatchObject({ code: 'CLOSED' });
    await model.close();
  });

  it('runs a compilation once, whose weights are of the shape that it was told', async () => {
    const compilation = new libraries.addon.Compilation(libraries.library, compileOptions);
    const running = rejection(compilation.run());
    expect(thrown(() => compilation.run())).toMatchObject({ code: 'BUSY' });
    expect(fromNative(await running)).toMatchObject({ code: 'MODEL_INVALID' });
    await compilation.close();
    await compilation.close();
  });

  it.each([
    ['shape.headLength', { heads: 2 ** 16, kvHeads: 2 ** 16, headLength: 2 ** 16 }],
    ['contextTokens', { layers: 512, heads: 1024, kvHeads: 1024, headLength: 1024 }],
  ])('refuses numbers whose product is beyond any device, naming %s', (key, numbers) => {
    const options = {
      ...openOptions,
      compiledContextTokens: 2 ** 20,
      shape: { ...openOptions.shape, ...numbers },
    };
    expect(thrown(() => new libraries.addon.Model(libraries.library, options))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      key,
    });
  });

  it('may be told to close everything while the process ends', () => {
    const program = fileURLToPath(new URL('./fixtures/close-on-exit.mjs', import.meta.url));
    const output = execFileSync(process.execPath, [program], {
      encoding: 'utf8',
      env: {
        ...process.env,
        MOBILLM_TEST_LIBRARIES: emulatorFolder,
        MOBILLM_TEST_OPTIONS: JSON.stringify({ openOptions, compileOptions }),
      },
    });
    expect(output).toBe('closed\n');
  });
});
