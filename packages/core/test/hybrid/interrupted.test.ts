import { afterEach, describe, expect, it } from 'vitest';
import type { ModelDriver, SequenceDriver } from '../../src/engine/driver.js';
import type { Engine } from '../../src/engine/engine.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { internalsOf } from '../../src/runtime/engine-internals.js';
import { drive, rejection, specOf } from '../../src/testing/drive.js';
import { fakeFiles } from '../../src/testing/index.js';
import { type Watched, watchedHybrid } from './watched-fakes.js';

const opened: Engine[] = [];

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

const openOptions = { contextTokens: 256, sequences: 2, threads: 1, engineOptions: {} } as const;
const prompt = Array.from({ length: 100 }, (_, index) => 97 + (index % 20));

interface Open {
  readonly model: ModelDriver;
  readonly sequence: SequenceDriver;
  readonly prefill: Watched;
  readonly decode: Watched;
}

async function open(...args: Parameters<typeof watchedHybrid>): Promise<Open> {
  const { hybrid, prefill, decode } = watchedHybrid(...args);
  opened.push(hybrid, prefill.engine, decode.engine);
  const model = await internalsOf(hybrid, 'hybrid').driver.open(fakeFiles, openOptions);
  return { model, sequence: await model.createSequence(), prefill, decode };
}

/** Tokens cached by the hybrid, its prefilling side and its decoding side. */
function countsOf({ sequence, prefill, decode }: Open): number[] {
  return [sequence, prefill.sequences[0]!, decode.sequences[0]!].map((item) => item.tokenCount);
}

/** Expects that a sequence goes on from what it holds as a new one would. */
async function expectSound(hybrid: Open): Promise<void> {
  const rest = prompt.slice(hybrid.sequence.tokenCount);
  const { tokens } = await drive(hybrid.sequence, rest, { maxTokens: 10 });
  const fresh = await hybrid.model.createSequence();
  expect(tokens).toEqual((await drive(fresh, prompt, { maxTokens: 10 })).tokens);
  await fresh.close();
}

describe('a hybrid sequence', () => {
  it('that is aborted while it prefills keeps nothing of the prompt on either side', async () => {
    const hybrid = await open();
    const abort = new AbortController();
    const reading = (async () => {
      for await (const batch of hybrid.sequence.generate(prompt, specOf(), abort.signal)) {
        if (batch.prefilledTokens === 64) abort.abort(new Error('enough'));
      }
    })();
    await expect(reading).rejects.toThrow('enough');
    expect(countsOf(hybrid)).toEqual([0, 0, 0]);
    await expectSound(hybrid);
  });

  it('whose reader leaves while it prefills keeps nothing of the prompt on either side', async () => {
    const hybrid = await open();
    for await (const batch of hybrid.sequence.generate(prompt, specOf())) {
      if (batch.prefilledTokens === 64) break;
    }
    expect(countsOf(hybrid)).toEqual([0, 0, 0]);
    await expectSound(hybrid);
  });

  it('that is aborted while it decodes keeps the prompt on both sides', async () => {
    const hybrid = await open();
    const abort = new AbortController();
    const reading = (async () => {
      const spec = specOf({ maxTokens: 50 });
      for await (const batch of hybrid.sequence.generate(prompt, spec, abort.signal)) {
        if (batch.tokens.length > 0) abort.abort(new Error('enough'));
      }
    })();
    await expect(reading).rejects.toThrow('enough');
    const [held, prefilled, decoded] = countsOf(hybrid);
    expect(prefilled).toBe(100);
    expect(held).toBe(decoded);
    await hybrid.sequence.truncate(90);
    expect(countsOf(hybrid)).toEqual([90, 90, 90]);
    await expectSound(hybrid);
  });

  it.each(['export', 'import'] as const)(
    'that is aborted during the %s goes on afterwards',
    async (when) => {
      const hybrid = await open();
      const abort = new AbortController();
      const side = when === 'export' ? hybrid.prefill.sequences[0]! : hybrid.decode.sequences[0]!;
      const call = when === 'export' ? 'exportKv' : 'importKv';
      const original = side[call]!.bind(side) as (...args: unknown[]) => Promise<never>;
      side[call] = (...args: unknown[]) => {
        abort.abort(new Error('enough'));
        return original(...args);
      };
      const reading = drive(hybrid.sequence, prompt, {}, abort.signal);
      await expect(reading).rejects.toThrow('enough');
      side[call] = original;
      expect(countsOf(hybrid)).toEqual([0, 0, 0]);
      await expectSound(hybrid);
    },
  );

  it.each(['exportKv', 'importKv'] as const)('whose %s fails goes on afterwards', async (call) => {
    const hybrid = await open();
    const side = call === 'exportKv' ? hybrid.prefill.sequences[0]! : hybrid.decode.sequences[0]!;
    const original = side[call]!.bind(side) as never;
    const fail = () => Promise.reject(new MobillmError('NATIVE_FAILURE', 'no luck'));
    Object.assign(side, { [call]: fail });
    await expect(drive(hybrid.sequence, prompt)).rejects.toMatchObject({ code: 'NATIVE_FAILURE' });
    side[call] = original;
    expect(countsOf(hybrid)).toEqual([0, 0, 0]);
    await expectSound(hybrid);
  });

  it('whose caches do not come back goes on afterwards', async () => {
    const hybrid = await open();
    await drive(hybrid.sequence, prompt.slice(0, 50), { maxTokens: 0 });
    await drive(hybrid.sequence, [], { maxTokens: 6 });
    const side = hybrid.prefill.sequences[0]!;
    const original = side.importKv!.bind(side);
    side.importKv = () => Promise.reject(new MobillmError('OUT_OF_MEMORY', 'no room'));
    await expect(drive(hybrid.sequence, [97])).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    side.importKv = original;
    expect(countsOf(hybrid)).toEqual([55, 50, 55]);
    await hybrid.sequence.truncate(50);
    await expectSound(hybrid);
  });

  it('repairs itself when what should have been cut could not be', async () => {
    const hybrid = await open();
    const side = hybrid.prefill.sequences[0]!;
    const truncate = side.truncate.bind(side);
    side.truncate = () => Promise.reject(new Error('stuck'));
    const decode = hybrid.decode.sequences[0]!;
    const importKv = decode.importKv!.bind(decode);
    decode.importKv = () => Promise.reject(new Error('out of luck'));
    // The first failure is told, not that of tidying up after it.
    await expect(drive(hybrid.sequence, prompt)).rejects.toThrow('out of luck');
    expect(countsOf(hybrid)).toEqual([0, 100, 0]);
    side.truncate = truncate;
    decode.importKv = importKv;
    await expectSound(hybrid);
  });

  it('cuts both sides, and starts over where the prefilling side can only do that', async () => {
    const exact = await open();
    await drive(exact.sequence, prompt, { maxTokens: 3 });
    expect(await exact.sequence.truncate(40)).toBe(40);
    expect(countsOf(exact)).toEqual([40, 40, 40]);
    await expectSound(exact);

    const other = await open({ prefill: { capabilities: { truncate: 'all-or-nothing' } } });
    await drive(other.sequence, prompt, { maxTokens: 3 });
    expect(await other.sequence.truncate(40)).toBe(40);
    expect(countsOf(other)).toEqual([40, 0, 40]);
    await expectSound(other);
    expect(other.prefill.imported).toEqual([40]);
  });

  it('says CLOSED when it is closed in either phase', async () => {
    for (const until of ['prefill', 'decode'] as const) {
      const hybrid = await open();
      const run = hybrid.sequence
        .generate(prompt, specOf({ maxTokens: 100 }))
        [Symbol.asyncIterator]();
      for (let step = await run.next(); !step.done; step = await run.next()) {
        if (until === 'prefill' || step.value.tokens.length > 0) break;
      }
      await hybrid.sequence.close();
      expect(MobillmError.is(await rejection(run.next()), 'CLOSED')).toBe(true);
      await hybrid.model.close();
    }
  });

  it('refuses logits that a prefilling engine did not keep', async () => {
    const hybrid = await open({ prefill: { fault: 'keeps-no-logits' } });
    await expect(drive(hybrid.sequence, prompt)).rejects.toMatchObject({ code: 'NATIVE_FAILURE' });
    expect(countsOf(hybrid)).toEqual([0, 0, 0]);
  });

  it('gives the place on one side back when the other side has none', async () => {
    const hybrid = await open();
    const side = hybrid.prefill.models[0]!;
    const create = side.createSequence.bind(side);
    side.createSequence = () => Promise.reject(new MobillmError('BUSY', 'all in use'));
    await expect(hybrid.model.createSequence()).rejects.toMatchObject({ code: 'BUSY' });
    side.createSequence = create;
    // Two places a side: the first is taken, the second would be lost.
    await (await hybrid.model.createSequence()).close();
  });
});
