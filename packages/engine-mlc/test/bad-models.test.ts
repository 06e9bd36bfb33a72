import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type EngineDriver, type ModelFiles, MobillmError } from '@mobillm/core';
import { rejection, withSequence } from '@mobillm/core/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMlcDriver } from '../src/index.js';
import { collect, expectCoded, heldByProcess } from './support/driving.js';
import { copyModel, type ModelCopy, withField } from './support/model-copy.js';
import { compiledTinyModel, filesOf, temporaryFolder } from './support/models.js';
import { runtimeFolder } from './support/runtime.js';
import { compileLibrary, forAarch64 } from './support/shared-objects.js';

const folder = temporaryFolder();
const sound = await compiledTinyModel();
const openOptions = { contextTokens: 128, sequences: 1, threads: 1, engineOptions: {} } as const;
const shard = 'params_shard_0.bin';
const again = /(?:Compile|Download|Check|Take|Choose|Give)\b.*\.$/is;

type Spoil = (copy: ModelCopy) => void;
type Cases = Readonly<Record<string, readonly [Spoil, string, RegExp?]>>;

/** Changes one field of the configuration, or of the index. */
const config = (path: string, value: unknown): Spoil => {
  return (copy) => copy.changeConfig((content) => withField(content, path, value));
};
const index = (path: string, value: unknown): Spoil => {
  return (copy) => copy.changeIndex((content) => withField(content, path, value));
};
const file = (name: string, content: string | Uint8Array): Spoil => {
  return (copy) => writeFileSync(copy.path(name), content);
};
const removed = (name: string): Spoil => {
  return (copy) => rmSync(copy.path(name));
};
const library = (bytes: () => Uint8Array): Spoil => {
  return (copy) => copy.replaceLibrary(bytes(), true);
};
const flip = (copy: ModelCopy, name: string): void => {
  const bytes = readFileSync(copy.path(name));
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(copy.path(name), bytes);
};
const asPipe = (name: string): Spoil => {
  return (copy) => {
    rmSync(copy.path(name));
    execFileSync('mkfifo', [copy.path(name)]);
  };
};
const asFolder = (name: string): Spoil => {
  return (copy) => {
    rmSync(copy.path(name));
    mkdirSync(copy.path(name));
  };
};
const wholeLibrary = (): Buffer => readFileSync(join(sound, 'model.so'));
const compiledC = (name: string, source: string) => (): Buffer =>
  readFileSync(compileLibrary(folder, name, source));

const weights: Cases = {
  'is missing': [removed(shard), 'FILE_NOT_FOUND'],
  'is a folder': [asFolder(shard), 'FILE_NOT_FOUND'],
  'is a pipe that nobody writes to': [asPipe(shard), 'FILE_NOT_FOUND'],
  'leads to itself': [
    (copy) => {
      rmSync(copy.path(shard));
      symlinkSync(copy.path(shard), copy.path(shard));
    },
    'FILE_NOT_FOUND',
  ],
  'is empty': [file(shard, ''), 'INTEGRITY_FAILED', /it has 0 bytes, and \d+ are recorded/],
  'is cut off': [
    (copy) => truncateSync(copy.path(shard), 1000),
    'INTEGRITY_FAILED',
    /it has 1000 bytes/,
  ],
  'is too long': [
    (copy) => appendFileSync(copy.path(shard), 'x'),
    'INTEGRITY_FAILED',
    /are recorded/,
  ],
  'was changed in one bit': [
    (copy) => flip(copy, shard),
    'INTEGRITY_FAILED',
    /its checksum is not/,
  ],
  'is noise of the same size': [
    (copy) => writeFileSync(copy.path(shard), randomBytes(readFileSync(copy.path(shard)).length)),
    'INTEGRITY_FAILED',
  ],
};

const first = 'records.0.records.0';
const indexes: Cases = {
  'is missing': [removed('tensor-cache.json'), 'FILE_NOT_FOUND'],
  'is no JSON': [file('tensor-cache.json', '{"records": ['), 'MODEL_INVALID'],
  'is nested without end': [file('tensor-cache.json', '['.repeat(1e6)), 'MODEL_INVALID'],
  'is a list': [file('tensor-cache.json', '[]'), 'MODEL_INVALID'],
  'is empty': [file('tensor-cache.json', '{}'), 'MODEL_INVALID', /"records": is missing/],
  'names no shards': [index('records', []), 'MODEL_INVALID', /parameter ".+" is missing/],
  'names the library as a shard': [index('records.0.dataPath', 'model.so'), 'INTEGRITY_FAILED'],
  'leads out of the folder': [index('records.0.dataPath', '../secrets.bin'), 'MODEL_INVALID'],
  'leads to the root': [index('records.0.dataPath', '/etc/passwd'), 'MODEL_INVALID'],
  'leads up by a bare name': [index('records.0.dataPath', '..'), 'MODEL_INVALID'],
  'ends a path early': [index('records.0.dataPath', `${shard}\0.txt`), 'MODEL_INVALID'],
  'has an offset behind the end': [
    index(`${first}.byteOffset`, 2 ** 40),
    'MODEL_INVALID',
    /leads outside/,
  ],
  'has an offset before the beginning': [index(`${first}.byteOffset`, -4), 'MODEL_INVALID'],
  'has half an offset': [index(`${first}.byteOffset`, 0.5), 'MODEL_INVALID'],
  'has tensors that overlap': [
    index('records.0.records.1.byteOffset', 4),
    'MODEL_INVALID',
    /overlaps/,
  ],
  'has a tensor of more bytes than its shape': [
    index(`${first}.nbytes`, 4),
    'MODEL_INVALID',
    /do not fit/,
  ],
  'has a tensor of no bytes': [index(`${first}.nbytes`, 0), 'MODEL_INVALID', /do not fit/],
  'has a shape that is no number': [index(`${first}.shape`, [NaN, 64]), 'MODEL_INVALID'],
  'has a shape that is a text': [index(`${first}.shape`, ['267', 64]), 'MODEL_INVALID'],
  'has a shape of endless extents': [index(`${first}.shape`, [2 ** 40, 2 ** 40]), 'MODEL_INVALID'],
  'has a shape of a thousand extents': [
    index(`${first}.shape`, Array(1000).fill(1)),
    'MODEL_INVALID',
  ],
  'has a negative shape': [index(`${first}.shape`, [-267, -64]), 'MODEL_INVALID'],
  'has a number format that nobody knows': [index(`${first}.dtype`, 'float8'), 'MODEL_INVALID'],
  'has another number format': [index(`${first}.dtype`, 'int32'), 'MODEL_INVALID', /number format/],
  'has stored less than it says': [
    index(`${first}.format`, 'f32-to-bf16'),
    'MODEL_INVALID',
    /do not fit/,
  ],
  'has another parameter': [index(`${first}.name`, 'other'), 'MODEL_INVALID', /is missing/],
  'has a parameter twice': [
    (copy) =>
      copy.changeIndex((content) => {
        const [record] = content['records'] as { records: unknown[] }[];
        record!.records.push(record!.records[0]);
        return content;
      }),
    'MODEL_INVALID',
    /is there twice/,
  ],
  'has a size that no file has': [index('records.0.nbytes', 2 ** 47), 'OUT_OF_MEMORY', /smaller/],
  'has a checksum of another kind': [index('records.0.md5sum', 'a'.repeat(64)), 'MODEL_INVALID'],
  'has a checksum of another file': [index('records.0.md5sum', 'a'.repeat(32)), 'INTEGRITY_FAILED'],
};

const libraries: Cases = {
  'is missing': [removed('model.so'), 'FILE_NOT_FOUND'],
  'is a folder': [asFolder('model.so'), 'FILE_NOT_FOUND'],
  'is a pipe that nobody writes to': [asPipe('model.so'), 'FILE_NOT_FOUND'],
  'was changed in one bit': [
    (copy) => flip(copy, 'model.so'),
    'INTEGRITY_FAILED',
    /It was changed, so it is not run/,
  ],
  'is one that does harm when it is opened': [
    (copy) =>
      copy.replaceLibrary(
        compiledC(
          'harm.so',
          '#include <stdlib.h>\n__attribute__((constructor)) void harm(void) { abort(); }',
        )(),
        false,
      ),
    'INTEGRITY_FAILED',
  ],
  'is empty': [library(() => new Uint8Array()), 'MODEL_INVALID'],
  'is a byte': [library(() => Uint8Array.of(0x7f)), 'MODEL_INVALID', /is no shared library/],
  'is noise': [library(() => randomBytes(100_000)), 'MODEL_INVALID', /is no shared library/],
  'ends within its header': [library(() => wholeLibrary().subarray(0, 63)), 'MODEL_INVALID'],
  'ends within its segments': [
    library(() => wholeLibrary().subarray(0, 30_000)),
    'MODEL_INVALID',
    /is cut off/,
  ],
  'is for another processor': [
    library(() => forAarch64(join(sound, 'model.so'))),
    'MODEL_UNSUPPORTED',
    /is made for AArch64, and this process is x86-64\. Compile the model for this machine/,
  ],
  'is a program': [
    library(() => readFileSync(process.execPath).subarray(0, 200_000)),
    'MODEL_INVALID',
  ],
  'is a library without a model': [
    library(compiledC('plain.so', 'int plain(void) { return 0; }')),
    'MODEL_INVALID',
    /does not define __tvm_ffi__library_bin/,
  ],
  'is the runtime': [
    library(() => readFileSync(join(runtimeFolder, 'libtvm_ffi.so'))),
    'MODEL_INVALID',
    /does not define __tvm_ffi__library_bin/,
  ],
  'has the name of a model and nothing in it': [
    library(compiledC('hollow.so', 'char __tvm_ffi__library_bin[64];')),
    'MODEL_INVALID',
    /cannot be loaded: Check failed: .* is false\. Compile/,
  ],
  'needs what nothing here has': [
    library(
      compiledC(
        'needy-model.so',
        'int absent(void); int needy(void) { return absent(); } char __tvm_ffi__library_bin[8];',
      ),
    ),
    'MODEL_INVALID',
    /absent/,
  ],
};

const own = 'mobillm';
const configs: Cases = {
  'is missing': [removed('mlc-chat-config.json'), 'FILE_NOT_FOUND'],
  'is no JSON': [file('mlc-chat-config.json', '{'), 'MODEL_INVALID'],
  'is no text': [file('mlc-chat-config.json', Uint8Array.of(0xff, 0xfe)), 'MODEL_INVALID'],
  'is two megabytes': [file('mlc-chat-config.json', ' '.repeat(2 ** 21)), 'MODEL_INVALID'],
  'is a text': [file('mlc-chat-config.json', '"config"'), 'MODEL_INVALID'],
  'says nothing of the model': [
    config('model_config', undefined),
    'MODEL_INVALID',
    /"model_config": is missing/,
  ],
  'has no vocabulary': [
    (copy) =>
      copy.changeConfig((content) =>
        withField(
          withField(content, 'vocab_size', undefined),
          'model_config.vocab_size',
          undefined,
        ),
      ),
    'MODEL_INVALID',
  ],
  'has another vocabulary': [
    config('vocab_size', 300),
    'MODEL_INVALID',
    /it gives 267 logits, and 300/,
  ],
  'has a vocabulary smaller than the tokenizer': [
    config('vocab_size', 200),
    'MODEL_INVALID',
    /do not belong together/,
  ],
  'has layers without end': [config('model_config.num_hidden_layers', 1e9), 'MODEL_INVALID'],
  'needs more memory than there is': [
    (copy) =>
      copy.changeConfig((content) =>
        ['num_attention_heads', 'num_key_value_heads', 'head_dim'].reduce<unknown>(
          (value, name) => withField(value, `model_config.${name}`, 65_536),
          content,
        ),
      ),
    'OUT_OF_MEMORY',
    /Choose a smaller contextTokens/,
  ],
  'has heads of another length': [
    config('model_config.head_dim', 17),
    'MODEL_INVALID',
    /rotated in 17 of 16/,
  ],
  'has half a chunk': [config('prefill_chunk_size', 0.5), 'MODEL_INVALID'],
  'has a sliding window': [config('sliding_window_size', 64), 'MODEL_UNSUPPORTED', /without one/],
  'is of a later version of ours': [
    config(`${own}.formatVersion`, 2),
    'MODEL_UNSUPPORTED',
    /update @mobillm/,
  ],
  'names a library elsewhere': [config(`${own}.library.file`, '../model.so'), 'MODEL_INVALID'],
  'names another file as the library': [
    config(`${own}.library.file`, 'tokenizer.json'),
    'INTEGRITY_FAILED',
  ],
  'has no checksum of the library': [config(`${own}.library.sha256`, ''), 'MODEL_INVALID'],
  'was compiled for another architecture': [
    config(`${own}.target.triple`, 'aarch64-unknown-linux-gnu'),
    'MODEL_UNSUPPORTED',
    /for arm64 processors, and this one is x64\. Compile it on this machine/,
  ],
  'was compiled for no processor': [
    config(`${own}.target.triple`, '__proto__'),
    'MODEL_UNSUPPORTED',
  ],
  'was compiled for instructions that this processor lacks': [
    config(`${own}.target.features`, ['+avx2', '+sme2', '+sve']),
    'MODEL_UNSUPPORTED',
    /with sme2, sve, which this one .* lacks\. Compile it on this machine/,
  ],
  'rotates keys in a way of its own': [config(`${own}.ropePairing`, 'spiral'), 'MODEL_INVALID'],
  'is not derived from anything': [config(`${own}.derivedFrom`, null), 'MODEL_INVALID'],
};

const tokenizers: Cases = {
  'tokenizer.json missing': [removed('tokenizer.json'), 'FILE_NOT_FOUND'],
  'tokenizer_config.json missing': [removed('tokenizer_config.json'), 'FILE_NOT_FOUND'],
  'a tokenizer that is no JSON': [file('tokenizer.json', 'x'), 'MODEL_INVALID'],
  'a tokenizer that is a list': [file('tokenizer.json', '[]'), 'MODEL_INVALID'],
  'a tokenizer of nothing': [file('tokenizer.json', '{}'), 'MODEL_INVALID'],
  'a configuration that is a number': [file('tokenizer_config.json', '7'), 'MODEL_INVALID'],
};

describe('a compiled model', () => {
  let driver: EngineDriver;
  beforeAll(async () => {
    driver = await createMlcDriver();
    // What Node and the runtime open once stays open.
    await (await driver.open(filesOf(sound), openOptions)).close();
  });
  afterAll(() => driver.close?.());

  const refused = async (spoil: Spoil, code: string, part: RegExp = again): Promise<void> => {
    const copy = copyModel(sound, folder);
    spoil(copy);
    const before = heldByProcess();
    expectCoded(await rejection(driver.open(copy.files, openOptions)), code, again);
    expectCoded(await rejection(driver.open(copy.files, openOptions)), code, part);
    expect(heldByProcess()).toEqual(before);
    rmSync(copy.folder, { recursive: true });
  };

  it('is opened by its folder as well as by its configuration', async () => {
    for (const path of [sound, `${sound}/`, join(sound, 'mlc-chat-config.json')]) {
      const { trainedContextTokens } = await driver.inspect(filesOf(path));
      expect(trainedContextTokens).toBe(2048);
    }
  });

  it('is opened by the name that MLC gave its index until 2025', async () => {
    const copy = copyModel(sound, folder);
    writeFileSync(copy.path('ndarray-cache.json'), readFileSync(copy.path('tensor-cache.json')));
    rmSync(copy.path('tensor-cache.json'));
    await (await driver.open(copy.files, openOptions)).close();
  });

  it.each(Object.entries(weights))('whose shard %s is refused', (_what, args) => refused(...args));
  it.each(Object.entries(indexes))('whose index %s is refused', (_what, args) => refused(...args));
  it.each(Object.entries(libraries))('whose library %s is refused', (_what, args) =>
    refused(...args),
  );
  it.each(Object.entries(configs))('whose configuration %s is refused', (_what, args) =>
    refused(...args),
  );
  it.each(Object.entries(tokenizers))('with %s is refused', (_what, args) => refused(...args));

  it('without a file of its weights is refused', async () => {
    const files: ModelFiles = { format: 'mlc', files: [{ path: sound, role: 'tokenizer' }] };
    expectCoded(
      await rejection(driver.open(files, openOptions)),
      'MODEL_INVALID',
      /Add it again\.$/,
    );
    const path = join(sound, 'model.so');
    const gguf: ModelFiles = { format: 'mlc', files: [{ path, role: 'weights' }] };
    expectCoded(await rejection(driver.open(gguf, openOptions)), 'FILE_NOT_FOUND', again);
  });

  it('has its library taken from where the caller says, and checked there, too', async () => {
    const elsewhere = join(folder, 'elsewhere.so');
    writeFileSync(elsewhere, wholeLibrary());
    const files = (path: string): ModelFiles => ({
      format: 'mlc',
      files: [
        { path: sound, role: 'weights' },
        { path, role: 'library' },
      ],
    });
    await (await driver.open(files(elsewhere), openOptions)).close();
    const other = compileLibrary(folder, 'other.so', 'int other(void) { return 0; }');
    expectCoded(await rejection(driver.open(files(other), openOptions)), 'INTEGRITY_FAILED', again);
  });

  it.each(['__proto__', 'constructor', 'toString', 'x86-64-v9'])(
    'whose processor is called %s is opened as one that nothing is known of',
    async (cpu) => {
      const copy = copyModel(sound, folder);
      config('mobillm.target.cpu', cpu)(copy);
      config('mobillm.target.features', [cpu, `+${cpu}`])(copy);
      await (await driver.open(copy.files, openOptions)).close();
    },
  );

  it.each([
    [{ contextTokens: 0x4000_0000 }, 'OUT_OF_MEMORY'],
    [{ engineOptions: { batchTokens: 0 } }, 'INVALID_ARGUMENT'],
    [{ engineOptions: { batch: 1 } }, 'INVALID_ARGUMENT'],
    [{ threads: 4096 }, 'INVALID_ARGUMENT'],
  ])('is not opened with %j', async (wrong, code) => {
    expect(
      await rejection(driver.open(filesOf(sound), { ...openOptions, ...wrong })),
    ).toMatchObject({
      code,
    });
  });

  it('opens and closes, or is refused with a code, whatever numbers its files say', async () => {
    const copy = copyModel(sound, folder);
    const texts = ['mlc-chat-config.json', 'tensor-cache.json'].map(
      (name) => [name, readFileSync(copy.path(name), 'utf8')] as const,
    );
    const model = [
      'hidden_size',
      'intermediate_size',
      'num_attention_heads',
      'num_key_value_heads',
    ];
    const fields = [
      ...[...model, 'num_hidden_layers', 'head_dim', 'vocab_size', 'context_window_size'].map(
        (name) => `0:model_config.${name}`,
      ),
      ...['vocab_size', 'context_window_size', 'prefill_chunk_size', 'sliding_window_size'].map(
        (name) => `0:${name}`,
      ),
      ...['mobillm.library.bytes', 'mobillm.parameters.trainedContextTokens'].map(
        (name) => `0:${name}`,
      ),
      ...['nbytes', 'records.0.nbytes', 'records.3.byteOffset', 'records.5.shape.0'].map(
        (name) => `1:records.0.${name}`,
      ),
    ];
    const value = fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.integer(), fc.double());
    const change = fc.tuple(fc.constantFrom(...fields), value);
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        for (const [name, text] of texts) writeFileSync(copy.path(name), text);
        for (const [field, number] of changes) {
          (field.startsWith('0') ? config : index)(field.slice(2), number)(copy);
        }
        try {
          const opened = await driver.open(copy.files, { ...openOptions, contextTokens: 1 });
          await opened.close();
        } catch (error) {
          if (!MobillmError.is(error)) throw error;
          expect([
            ...['MODEL_INVALID', 'MODEL_UNSUPPORTED', 'INTEGRITY_FAILED', 'OUT_OF_MEMORY'],
          ]).toContain(error.code);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('that is sound still runs after all this, and was not touched', async () => {
    const model = await driver.open(filesOf(sound), openOptions);
    const { tokens } = await withSequence(model, (sequence) => collect(sequence, [1, 2, 3]));
    expect(tokens).toHaveLength(8);
    await model.close();
    const { mobillm } = JSON.parse(readFileSync(join(sound, 'mlc-chat-config.json'), 'utf8')) as {
      readonly mobillm: { readonly library: { readonly sha256: string } };
    };
    expect(createHash('sha256').update(wholeLibrary()).digest('hex')).toBe(mobillm.library.sha256);
  });
});
