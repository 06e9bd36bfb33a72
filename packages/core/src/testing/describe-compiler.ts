import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompileProgress, ModelCompiler } from '../engine/model-compiler.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ModelFiles } from '../store/model-files.js';
import { rejection } from './drive.js';
import { tinyLlamaGguf } from './tiny-llama.js';

/** What {@link describeCompiler} needs. */
export interface DescribeCompilerOptions {
  /** Makes the compiler. */
  readonly createCompiler: () => ModelCompiler;
  /** `compilerOptions` with which it takes a few seconds at most, and others with another result. */
  readonly compilerOptions: readonly [
    Readonly<Record<string, unknown>>,
    Readonly<Record<string, unknown>>,
  ];
  /** What it says that it is doing once it is well under way, in the words of `CompileProgress.step`. */
  readonly stepUnderWay: string;
  /** Expects that what was compiled can be opened, and was compiled with these `compilerOptions`. */
  readonly expectToOpen: (
    files: ModelFiles,
    compilerOptions: Readonly<Record<string, unknown>>,
  ) => Promise<void>;
}

/**
 * The contract of a compiler that starts from GGUF files as tests. What it compiles is a Llama-shaped
 * model of random weights, of half a megabyte, which the suite makes in a temporary folder. Node alone.
 */
export function describeCompiler(name: string, options: DescribeCompilerOptions): void {
  describe(`${name} meets the compiler contract`, () => {
    const [compilerOptions, otherOptions] = options.compilerOptions;
    const compiler = options.createCompiler();
    let folder = '';
    let source = '';
    let places = 0;
    const place = () => `${folder}/place-${places++}/model`;
    let home = '';
    let compiled: ModelFiles;
    const told: (CompileProgress & { readonly at: number })[] = [];

    beforeAll(async () => {
      const { mkdtemp } = await import('node:fs/promises');
      const { tmpdir } = await import('node:os');
      folder = await mkdtemp(`${tmpdir()}/mobillm-compiler-suite-`);
      source = await write('source.gguf', tinyLlamaGguf());
      const note = (progress: CompileProgress) =>
        void told.push({ ...progress, at: performance.now() });
      note({ step: 'before', share: 0 });
      home = place();
      compiled = await compiler.compile(source, {
        folder: home,
        compilerOptions,
        onProgress: note,
      });
      note({ step: 'after', share: 1 });
    }, 300_000);

    afterAll(async () => {
      const { rm } = await import('node:fs/promises');
      if (folder !== '') await rm(folder, { recursive: true, force: true });
    });

    const write = async (fileName: string, content: string | Uint8Array): Promise<string> => {
      const { writeFile } = await import('node:fs/promises');
      await writeFile(`${folder}/${fileName}`, content);
      return `${folder}/${fileName}`;
    };
    /** Names of everything at and beside a place, hidden files too. */
    const left = async (path: string): Promise<string[]> => {
      const { readdir } = await import('node:fs/promises');
      return readdir(path.slice(0, path.lastIndexOf('/')), { recursive: true }).catch(() => []);
    };
    /** What tells a file from one that was written in its place. */
    const identities = async (files: ModelFiles): Promise<string[]> => {
      const { stat } = await import('node:fs/promises');
      const all = await Promise.all(files.files.map((file) => stat(file.path)));
      return all.map(({ ino, mtimeMs, size }) => [ino, mtimeMs, size].join());
    };
    /** Expects a compilation to be refused with a code and a sentence, and to leave nothing. */
    const expectRefusal = async (
      from: ModelFiles | string,
      code: string,
      own: Readonly<Record<string, unknown>> = {},
    ): Promise<MobillmError> => {
      const path = place();
      const error = await rejection(
        compiler.compile(from, { folder: path, compilerOptions, ...own }),
      );
      expect(MobillmError.is(error) ? error.code : error).toBe(code);
      expect((error as Error).message).toMatch(/\w{3,} .*\.$/s);
      expect(await left(path)).toEqual([]);
      return error as MobillmError;
    };

    it('names itself, what it starts from and what it makes', () => {
      expect(compiler.name).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(compiler.from).toContain('gguf');
      expect(compiled.format).toBe(compiler.to);
    });

    it('makes files that are there and that the engine opens', async () => {
      const { stat } = await import('node:fs/promises');
      expect(compiled.files.map(({ role }) => role)).toContain('weights');
      for (const file of compiled.files) {
        const { size } = await stat(file.path);
        expect(file.fileBytes ?? size).toBe(size);
      }
      await options.expectToOpen(compiled, compilerOptions);
    });

    it('tells its progress at least once a second, never falling, up to 1', () => {
      const gaps = told.slice(1).map(({ at }, index) => at - (told[index]?.at ?? 0));
      expect(Math.max(...gaps)).toBeLessThan(1000);
      const shares = told.map(({ share }) => share);
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
      expect(told.length).toBeGreaterThan(3);
      expect(told.at(-2)?.share).toBe(1);
      expect(told.map(({ step }) => step)).toContain(options.stepUnderWay);
      expect(told.filter(({ step }) => !/^\w.*\w$/.test(step))).toEqual([]);
    });

    // One after the other in the folder of the first compilation: some compilers take seconds.
    it('returns what it finds compiled of the same source with the same options', async () => {
      const before = await identities(compiled);
      expect(await compiler.compile(source, { folder: home, compilerOptions })).toEqual(compiled);
      expect(await identities(compiled)).toEqual(before);
    });

    it('compiles again what was cut short', async () => {
      const { truncate } = await import('node:fs/promises');
      const weights = compiled.files.filter(({ role }) => role === 'weights');
      const sizes = weights.map(({ fileBytes = 0 }) => fileBytes);
      const largest = weights[sizes.indexOf(Math.max(...sizes))];
      await truncate(largest?.path ?? '', 100);
      const files = await compiler.compile(source, { folder: home, compilerOptions });
      await options.expectToOpen(files, compilerOptions);
    }, 300_000);

    it('compiles again for other options, and for another source', async () => {
      const { readdir } = await import('node:fs/promises');
      const other = await write('other.gguf', tinyLlamaGguf({ seed: 2 }));
      let before = await identities(
        await compiler.compile(source, { folder: home, compilerOptions }),
      );
      for (const from of [source, other]) {
        const into = { folder: home, compilerOptions: otherOptions };
        const files = await compiler.compile(from, into);
        const after = await identities(files);
        expect(after).not.toEqual(before);
        before = after;
        // What the former one was made of is gone: the folder holds one model.
        expect((await readdir(home)).sort()).toEqual(
          files.files.map((file) => file.path.slice(home.length + 1)).sort(),
        );
        await options.expectToOpen(files, otherOptions);
      }
    }, 300_000);

    it.each(['before it starts', 'while it reads', 'while it compiles'])(
      'stopped %s, rejects with the reason and leaves nothing behind',
      async (when) => {
        const path = place();
        const reason = new Error('not needed any more');
        const abort = new AbortController();
        if (when === 'before it starts') abort.abort(reason);
        const compiling = compiler.compile(source, {
          folder: path,
          compilerOptions,
          signal: abort.signal,
          onProgress: ({ step }) => {
            if (step === options.stepUnderWay) abort.abort(reason);
            // The first report comes before anything is read.
            else if (when === 'while it reads') setImmediate(() => abort.abort(reason));
          },
        });
        expect(await rejection(compiling)).toBe(reason);
        expect(await left(path)).toEqual([]);
      },
    );

    it.each(['while it reads', 'while it compiles'])(
      'rejects with what the progress function throws %s, and leaves nothing behind',
      async (when) => {
        const path = place();
        const error = new Error('the window was closed');
        const compiling = compiler.compile(source, {
          folder: path,
          compilerOptions,
          onProgress: ({ step }) => {
            if (when === 'while it reads' || step === options.stepUnderWay) throw error;
          },
        });
        expect(await rejection(compiling)).toBe(error);
        expect(await left(path)).toEqual([]);
      },
    );

    it('refuses a source that is changed meanwhile, and leaves nothing behind', async () => {
      const { appendFileSync } = await import('node:fs');
      const changed = await write('changed.gguf', tinyLlamaGguf());
      await expectRefusal(changed, 'INTEGRITY_FAILED', {
        onProgress: ({ step }: CompileProgress) => {
          if (step === options.stepUnderWay) appendFileSync(changed, 'more');
        },
      });
    });

    it('says FILE_NOT_FOUND for a file that is missing, and for a folder', async () => {
      const missing = `${folder}/none.gguf`;
      expect((await expectRefusal(missing, 'FILE_NOT_FOUND')).message).toContain(missing);
      await expectRefusal(folder, 'FILE_NOT_FOUND');
    });

    it('says MODEL_INVALID for what is no model, is cut short or has no weights', async () => {
      await expectRefusal(await write('text.gguf', 'This is no model.'), 'MODEL_INVALID');
      const cut = await write('cut.gguf', tinyLlamaGguf().subarray(0, 200_000));
      await expectRefusal(cut, 'MODEL_INVALID');
      const files = [{ path: source, role: 'config' }] as const;
      await expectRefusal({ format: 'gguf', files }, 'MODEL_INVALID');
    });

    it('says MODEL_UNSUPPORTED for what it does not know', async () => {
      const files = [{ path: source, role: 'weights' }] as const;
      await expectRefusal({ format: 'mlc', files }, 'MODEL_UNSUPPORTED');
      const unknown = [
        { 'general.architecture': 'octopus' },
        { 'tokenizer.ggml.model': 'octopus' },
      ];
      for (const [index, metadata] of unknown.entries()) {
        const path = await write(`unknown-${index}.gguf`, tinyLlamaGguf({ metadata }));
        const steps: string[] = [];
        const onProgress = ({ step }: CompileProgress) => void steps.push(step);
        await expectRefusal(path, 'MODEL_UNSUPPORTED', { onProgress });
        expect(steps, 'refused before anything was compiled').not.toContain(options.stepUnderWay);
      }
    });

    it('refuses wrong calls by name, before it reads anything', async () => {
      const wrong = {
        'compilerOptions.octopus': { folder: place(), compilerOptions: { octopus: 1 } },
        folder: { folder: '' },
        onProgress: { folder: place(), onProgress: 1 as never },
      };
      for (const [key, own] of Object.entries(wrong)) {
        const error = await rejection(compiler.compile(`${folder}/none.gguf`, own));
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', key });
      }
    });

    it('leaves alone what stands in the way of its folder', async () => {
      const { mkdir, readFile } = await import('node:fs/promises');
      await mkdir(`${folder}/in-the-way`);
      const path = await write('in-the-way/model', 'a file');
      const error = await rejection(compiler.compile(source, { folder: path, compilerOptions }));
      expect(MobillmError.is(error, 'IO_FAILED'), String(error)).toBe(true);
      expect(await readFile(path, 'utf8')).toBe('a file');
    });
  });
}
