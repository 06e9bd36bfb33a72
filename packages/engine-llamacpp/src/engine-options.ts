import { check } from '@mobillm/core';
import type { LogFunction, LogLevel } from './addon.js';

/** Options of {@link createLlamaCppEngine}. */
export interface LlamaCppEngineOptions {
  /**
   * Path of the addon to load and no other; in React Native, the loaded addon or the name it is
   * linked under. By default the environment variable `MOBILLM_LLAMACPP_ADDON`, the package's own
   * build, or the prebuilt package of this platform.
   */
  readonly addon?: string | object;
  /**
   * Receives llama.cpp's own log, which goes nowhere by default. The library has one log a process,
   * so an engine hears of all models of the process. A function that throws raises an uncaught
   * exception.
   */
  readonly log?: LogFunction;
  /**
   * Back ends for other devices than the CPU, each a package of its own (`npm install
   * @mobillm/engine-llamacpp-linux-x64-cuda`) or built in. `auto` (the default) loads those that are
   * there and can be loaded, for the whole process; those that are named have to be.
   */
  readonly backends?: 'auto' | readonly BackendName[];
  /**
   * Servers of llama.cpp's RPC on other machines, `host:port` each, whose devices are then listed as
   * `rpc0` and so on; see `startRpcServer`. Each is asked first whether it is one, for 12 seconds at most:
   * `IO_FAILED` where none answers, `BUSY` where it has another client, `UNSUPPORTED` where it is none or
   * of another version.
   *
   * For trusted networks only: nothing is encrypted and nobody is asked who they are. Once it is in use,
   * llama.cpp trusts each answer: a server that goes away, or answers what makes no sense, ends this
   * process, and one that falls silent holds the call that waits for it without end. Open such a model in a
   * process of its own where that matters.
   */
  readonly rpc?: readonly string[];
  /** Ends the asking of `rpc`'s servers: making the engine then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Folder in which measurements of this device are kept, see `calibrate`; it is made where it is missing.
   * By default `calibration` in `$MOBILLM_CACHE_DIR`, or in `mobillm` below `$XDG_CACHE_HOME`, `~/.cache`
   * or `%LOCALAPPDATA%`. On Android, give one of the application's own: otherwise each process measures
   * anew.
   */
  readonly calibrationFolder?: string;
  /** Least level of the lines that `log` gets. Default `warn`. */
  readonly logLevel?: LogLevel;
}

/**
 * Options that only this engine has, for `engineOptions` of `Engine.open` and
 * `Engine.estimate`.
 */
export interface LlamaCppOpenOptions {
  /**
   * Tokens in one prefill step, 1 to 65536. More is faster up to a few hundred, and takes more memory
   * for the compute buffer; other sequences wait for a step to end. Default 512.
   */
  readonly batchTokens?: number;
  /**
   * Tokens whose keys and values all sequences together keep in memory, 1 to 2147483392; the limit of
   * one stays `contextTokens`. More lets conversations keep their caches side by side instead of making
   * room for each other. It takes memory from the opening on, which `estimate` and `fit` count, and each
   * step looks over all that is cached. Less than `contextTokens` counts as that, and more than
   * `sequences` × `contextTokens` as that; of a model with other factors for long contexts (LongRoPE), more
   * than its original context counts as that, unless `contextTokens` is more. Default: `contextTokens`.
   */
  readonly poolTokens?: number;
  /**
   * Attention without a matrix of scores in memory. `auto` (the default): on the CPU with the matrix where
   * that takes 128 MiB at most, unless it was measured to be the slower one here, see `calibrate`; on other
   * devices, and in models that only embed, as the library chooses. It never changes while a model is open.
   */
  readonly flashAttention?: 'auto' | 'on' | 'off';
  /**
   * Number format of cached keys. Default `f16`. `q8_0` halves the memory, `q4_0` and `iq4_nl` take a
   * little more than a quarter; all of these are slower on CPU, the small ones lose accuracy, and such a
   * cache is neither exported nor saved. They need heads of a multiple of 32 numbers.
   */
  readonly keyType?: KvCacheType;
  /** The same for cached values; all but `f32`, `f16` and `bf16` need flash attention. */
  readonly valueType?: KvCacheType;
  /**
   * Longest text that `embed` is to get from a generating model, in tokens: `estimate` counts the room
   * for it. Default 0: it is looked for when `embed` is first called, which fails with `OUT_OF_MEMORY`
   * where there is none. Models that only embed have room for texts of the whole context.
   */
  readonly embedTokens?: number;
  /**
   * `mapped` (the default) reads weights from the page cache as they are needed and shares them
   * between processes; `copied` reads them into memory of their own; `locked` does the same and keeps
   * the system from swapping them out, or fails with `UNSUPPORTED` and the limit where it may not.
   * Weights that the library arranges anew for this processor (see `repack`) are copied in any
   * case, and not locked: it has no call for that.
   */
  readonly weights?: 'mapped' | 'copied' | 'locked';
  /**
   * Layers that the chosen device holds, the model's last ones; the CPU computes the others. `auto`
   * (the default): as many as its free memory holds. `all` includes the output, which a number of
   * layers takes along, too. 0 leaves everything to the CPU.
   */
  readonly gpuLayers?: number | 'auto' | 'all';
  /**
   * Several devices by id, each with its share of the layers that go to devices, in the order of the
   * layers: `{ cuda0: 3, cuda1: 1 }`. By default the chosen device alone.
   */
  readonly tensorSplit?: Readonly<Record<string, number>>;
  /**
   * `auto` (the default) lays weights of some formats out anew for the CPU when they are loaded, with AMX
   * those of most, which is faster and takes memory of its own; `off` computes with them as they are in the
   * file, and without AMX.
   */
  readonly repack?: 'auto' | 'off';
  /**
   * Path of a much smaller GGUF model of the same family, with the same vocabulary, that guesses tokens
   * ahead in place of the text itself; see `speculation` of a generation. It is opened and closed with
   * the model, on the CPU or whole on the model's first device, and its cache is as long as the model's
   * context. `MODEL_UNSUPPORTED` where its vocabulary is another, `UNSUPPORTED` where the model's own
   * cache cannot be cut back. None by default.
   */
  readonly draftModel?: string;
  /**
   * Whether threads are kept to the fast cores, on Linux and Android: `auto` (the default) where the
   * processor has slower ones, too; `big` in any case; `off` leaves it to the system. More threads than
   * those cores run are left to the system, too.
   */
  readonly affinity?: 'auto' | 'off' | 'big';
  /**
   * Whether what is left to the engine is measured: with `threads: 'auto'` how many threads decode
   * fastest, with `flashAttention: 'auto'` the kind of attention. That is done on the CPU alone, once the
   * model has answered and rested for half a second, makes way as soon as any model of the process
   * computes, and is kept by device, build and model for later openings. `auto` (the default) measures
   * unless the environment variable `MOBILLM_LLAMACPP_CALIBRATE` is `off`; `on` and `off` say it here.
   */
  readonly calibrate?: 'auto' | 'on' | 'off';
}

/** Back ends that can be loaded beside the CPU's. */
export type BackendName = 'cuda' | 'metal' | 'vulkan' | 'opencl' | 'hexagon';

/** All of them, in the order in which they are loaded. */
export const backendNames = [
  'cuda',
  'metal',
  'vulkan',
  'opencl',
  'hexagon',
] as const satisfies readonly BackendName[];

/** Number formats that the KV cache can have. */
export type KvCacheType =
  'f32' | 'f16' | 'bf16' | 'q8_0' | 'q5_1' | 'q5_0' | 'q4_1' | 'q4_0' | 'iq4_nl';

const cacheType = check.oneOf<KvCacheType>(
  ...(['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl'] as const),
);

const addonOption: check.Check<string | object> = (value, key) =>
  typeof value === 'object' && value !== null
    ? value
    : check.string({ nonEmpty: true })(value, key);

const checkShare = check.number({ min: 0, exclusiveMin: true });

const tensorSplitOption: check.Check<Readonly<Record<string, number>>> = (value, key) => {
  const shares = Object.entries(check.record(value, key));
  return Object.fromEntries(shares.map(([id, share]) => [id, checkShare(share, `${key}.${id}`)]));
};

const checkEngine = check.optionsObject({
  addon: addonOption,
  backends: check.either('auto', check.arrayOf(check.oneOf<BackendName>(...backendNames))),
  rpc: check.arrayOf(check.string({ nonEmpty: true })),
  signal: check.abortSignal,
  log: check.callback<LogFunction>(),
  calibrationFolder: check.string({ nonEmpty: true }),
  logLevel: check.oneOf<LogLevel>('debug', 'info', 'warn', 'error'),
});

const checkOpen = check.optionsObject({
  batchTokens: check.integer({ min: 1, max: 65_536 }),
  poolTokens: check.integer({ min: 1, max: 0x7fff_ff00 }),
  embedTokens: check.integer({ min: 0, max: 0x7fff_ff00 }),
  flashAttention: check.oneOf('auto', 'on', 'off'),
  keyType: cacheType,
  valueType: cacheType,
  weights: check.oneOf('mapped', 'copied', 'locked'),
  gpuLayers: check.either('auto', check.either('all', check.integer({ min: 0, max: 100_000 }))),
  tensorSplit: tensorSplitOption,
  repack: check.oneOf('auto', 'off'),
  draftModel: check.string({ nonEmpty: true }),
  affinity: check.oneOf('auto', 'off', 'big'),
  calibrate: check.oneOf('auto', 'on', 'off'),
});

/**
 * {@link LlamaCppOpenOptions} with the defaults; there is no default split and no draft model, and a pool
 * of 0 is one context.
 */
export type ResolvedOpenOptions = Required<
  Omit<LlamaCppOpenOptions, 'tensorSplit' | 'draftModel'>
> & {
  readonly tensorSplit: Readonly<Record<string, number>> | undefined;
  readonly draftModel: string | undefined;
};

/** Checks the factory's options. */
export function checkEngineOptions(options: unknown): LlamaCppEngineOptions {
  return checkEngine(options, '');
}

/** Checks `engineOptions` and fills in the defaults. */
export function resolveOpenOptions(options: unknown): ResolvedOpenOptions {
  const checked = checkOpen(options, 'engineOptions');
  return {
    batchTokens: checked.batchTokens ?? 512,
    poolTokens: checked.poolTokens ?? 0,
    embedTokens: checked.embedTokens ?? 0,
    flashAttention: checked.flashAttention ?? 'auto',
    keyType: checked.keyType ?? 'f16',
    valueType: checked.valueType ?? 'f16',
    weights: checked.weights ?? 'mapped',
    gpuLayers: checked.gpuLayers ?? 'auto',
    repack: checked.repack ?? 'auto',
    affinity: checked.affinity ?? 'auto',
    calibrate: checked.calibrate ?? 'auto',
    tensorSplit: checked.tensorSplit,
    draftModel: checked.draftModel,
  };
}
