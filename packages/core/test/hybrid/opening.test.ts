import { afterEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createHybridEngine } from '../../src/hybrid/create-hybrid-engine.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { internalsOf } from '../../src/runtime/engine-internals.js';
import { rejection } from '../../src/testing/drive.js';
import { createFakeEngine, fakeFiles, fakeMissingPath } from '../../src/testing/index.js';
import { watchedHybrid } from './watched-fakes.js';

const opened: Engine[] = [];

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

function fake(...args: Parameters<typeof createFakeEngine>): Engine {
  const engine = createFakeEngine(...args);
  opened.push(engine);
  return engine;
}

const side = (engine: Engine) => ({ engine, files: fakeFiles });
const openOptions = { contextTokens: 128, sequences: 1 } as const;

describe('createHybridEngine', () => {
  it.each(['exportKv', 'importKv'] as const)('names the %s that an engine lacks', (capability) => {
    const lacking = fake({ name: 'plain', capabilities: { [capability]: false } });
    const [prefill, decode] = capability === 'exportKv' ? [lacking, fake()] : [fake(), lacking];
    expect(() => createHybridEngine({ prefill: side(prefill), decode: side(decode) })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { engine: 'plain', capability } }),
    );
  });

  it('refuses engines of another copy of core, and what is no engine', () => {
    const good = side(fake());
    const { capabilities, name, version, devices } = fake();
    const foreign = { ...fake(), capabilities, name, version, devices } as Engine;
    expect(() => createHybridEngine({ prefill: good, decode: side(foreign) })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'decode.engine' }),
    );
    expect(() => createHybridEngine({ prefill: side({} as Engine), decode: good })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'prefill.engine' }),
    );
    expect(() => createHybridEngine({ prefill: good } as never)).toThrow(
      expect.objectContaining({ key: 'decode' }),
    );
    expect(() => createHybridEngine({ prefill: good, decode: good, minPrefillTokens: 0 })).toThrow(
      expect.objectContaining({ key: 'minPrefillTokens' }),
    );
    expect(() =>
      createHybridEngine({ prefill: { ...good, device: 'abacus' }, decode: good }),
    ).toThrow(expect.objectContaining({ key: 'prefill.device' }));
  });

  it('joins what both can do', () => {
    const joined = (prefill: object, decode: object) =>
      createHybridEngine({
        prefill: side(fake({ capabilities: prefill })),
        decode: side(fake({ capabilities: decode })),
      }).capabilities;
    expect(joined({ maxSequences: 1, logprobs: false, sampling: [] }, {})).toMatchObject({
      maxSequences: 1,
      logprobs: true,
      truncate: 'exact',
      copySequence: true,
      exportKv: true,
      importKv: true,
    });
    expect(
      joined({ copySequence: false, truncate: 'all-or-nothing' }, { exportKv: false }),
    ).toMatchObject({
      copySequence: false,
      truncate: 'all-or-nothing',
      exportKv: false,
    });
    expect(joined({ estimate: false }, { sampling: ['temperature'] })).toMatchObject({
      estimate: false,
      sampling: ['temperature'],
    });
  });
});

describe('opening a hybrid', () => {
  it('compares the weights before anything is generated, and leaves nothing open', async () => {
    const { hybrid, prefill, decode } = watchedHybrid({
      prefill: { lineage: { sourceSha256: 'a'.repeat(64) } },
    });
    opened.push(hybrid, prefill.engine, decode.engine);
    await expect(hybrid.open(undefined, openOptions)).rejects.toMatchObject({
      code: 'KV_MISMATCH',
      message: expect.stringMatching(/source file is aaaaaaaa.* instead of ffffffff/u) as string,
    });
    expect([prefill.sequences, decode.sequences]).toEqual([[], []]);
  });

  it('tells at once what cannot be handed over as the models were opened', async () => {
    const { hybrid, prefill, decode } = watchedHybrid();
    opened.push(hybrid, prefill.engine, decode.engine);
    const { driver } = internalsOf(decode.engine, 'engine');
    const open = driver.open.bind(driver);
    driver.open = async (files, options) => {
      const model = await open(files, options);
      const create = model.createSequence.bind(model);
      model.createSequence = async () =>
        Object.assign(await create(), {
          importKv: () => Promise.reject(new MobillmError('UNSUPPORTED', 'a quantized cache')),
        });
      return model;
    };
    await expect(hybrid.open(undefined, openOptions)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    for (const { models } of [prefill, decode]) {
      expect(await rejection(models[0]!.createSequence())).toMatchObject({ code: 'CLOSED' });
    }
  });

  it('names the file that is missing, on either side', async () => {
    const missing = {
      format: 'gguf',
      files: [{ path: fakeMissingPath, role: 'weights' }],
    } as const;
    const hybrid = createHybridEngine({
      prefill: { engine: fake(), files: missing },
      decode: side(fake()),
    });
    const error = { code: 'FILE_NOT_FOUND', details: { path: fakeMissingPath } };
    await expect(hybrid.open(undefined, openOptions)).rejects.toMatchObject(error);
    const sound = createHybridEngine({ prefill: side(fake()), decode: side(fake()) });
    await expect(sound.open(missing, openOptions)).rejects.toMatchObject(error);
  });

  it('estimates the memory of both', async () => {
    const hybrid = createHybridEngine({
      prefill: side(fake({ bytesPerToken: 100 })),
      decode: side(fake({ bytesPerToken: 10 })),
    });
    const { totalBytes, items } = await hybrid.estimate(fakeFiles, openOptions);
    expect(totalBytes).toBe(4 + 128 * 100 + 4 + 128 * 10);
    expect(items).toHaveLength(4);
  });

  it('leaves the engines open when it closes, and says CLOSED when one of them has closed', async () => {
    const [prefill, decode] = [fake(), fake()];
    const hybrid = createHybridEngine({ prefill: side(prefill), decode: side(decode) });
    const model = await hybrid.open(undefined, openOptions);
    await prefill.close();
    await expect(model.generate({ prompt: 'a' })).rejects.toMatchObject({ code: 'CLOSED' });
    await hybrid.close();
    await expect(decode.open(fakeFiles, openOptions)).resolves.toBeDefined();
    await expect(hybrid.open()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('gives each side its own options', async () => {
    const seen: unknown[] = [];
    const { hybrid, prefill, decode } = watchedHybrid();
    opened.push(hybrid, prefill.engine, decode.engine);
    const watched = createHybridEngine({
      prefill: { ...side(prefill.engine), threads: 3, engineOptions: { of: 'prefill' } },
      decode: { ...side(decode.engine), engineOptions: { of: 'decode', kept: 1 } },
    });
    opened.push(watched);
    for (const engine of [prefill.engine, decode.engine]) {
      const { driver } = internalsOf(engine, 'engine');
      const open = driver.open.bind(driver);
      driver.open = (files, options) => {
        seen.push({ threads: options.threads, engineOptions: options.engineOptions });
        return open(files, options);
      };
    }
    await watched.open(undefined, { ...openOptions, threads: 2, engineOptions: { of: 'open' } });
    expect(seen).toEqual([
      { threads: 2, engineOptions: { of: 'open', kept: 1 } },
      { threads: 3, engineOptions: { of: 'prefill' } },
    ]);
  });

  it('can be nested: a hybrid is an engine like any other', async () => {
    const inner = createHybridEngine({ prefill: side(fake()), decode: side(fake()) });
    const outer = createHybridEngine({ prefill: side(fake({ name: 'npu' })), decode: side(inner) });
    opened.push(inner, outer);
    const model = await outer.open(undefined, openOptions);
    const { placement, text } = await model.generate({
      prompt: 'abc',
      maxTokens: 4,
      temperature: 0,
    });
    expect(text).toHaveLength(4);
    expect(placement.phases?.decode.phases?.prefill.engine).toBe('fake');
    expect(outer.name).toBe('npu+fake+fake');
  });
});
