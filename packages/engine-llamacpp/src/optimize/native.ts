import type { NativeCheckedFile, NativeOpenOptions } from '../addon.js';

/** What a model of a {@link NativeTextScorer} is opened with. */
export interface NativeTextScorerOptions extends NativeOpenOptions {
  /**
   * `text`: texts are scored; `weights`: the matrices are watched and can be substituted, too;
   * `speed`: it reads and writes as when it answers.
   */
  readonly use: 'text' | 'weights' | 'speed';
}

/** A text, or a part of one, to be scored. */
export interface NativeScoreRequest {
  readonly tokens: Int32Array;
  /** First token that is scored, at least 1: those before it are read only. */
  readonly first: number;
  /** Whether what the model says is kept, or compared with what was kept of the same place. */
  readonly reference: 'none' | 'keep' | 'compare';
  /** Number of the text among those that are kept. */
  readonly place: number;
  /** Whether the use of the matrices is learned from it. */
  readonly learn: boolean;
}

/** What came of it. */
export interface NativeTextScore {
  /** Natural logarithms of the probabilities of the tokens from `first` on. */
  readonly logProbs: Float32Array;
  /** For `compare`: Kullback–Leibler divergence of each position from what was kept, in nats. */
  readonly divergences: Float32Array;
  /** For `compare`: positions at which the likeliest token is the same. */
  readonly sameBest: number;
}

/** A weight matrix that the model was seen to use. */
export interface NativeWeight {
  readonly name: string;
  readonly columns: number;
  readonly rows: number;
  /** Whether rows of it are looked up by token. */
  readonly lookedUp: boolean;
  /** Whether vectors are multiplied with it. */
  readonly multiplied: boolean;
  /** How much an error in each column matters; empty where that is not known. */
  readonly importance: Float32Array;
}

/** Time of a step or several. */
export interface NativeStepTimes {
  /** Of all threads of the process. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

/** A model on a thread of its own. One call at a time. */
export interface NativeTextScorer {
  /** To be called once, before everything but `abort` and `close`. */
  load(): Promise<{
    readonly threads: number;
    readonly contextTokens: number;
    readonly weightBytes: number;
    /** Where the vocabulary puts one before a text. */
    readonly bosToken?: number;
  }>;
  /** Ends what runs and all that comes, with `ABORTED`. */
  abort(): void;
  encode(text: string): Promise<Int32Array>;
  score(request: NativeScoreRequest): Promise<NativeTextScore>;
  /** The matrices that were learned of. */
  weights(): Promise<readonly NativeWeight[]>;
  /**
   * Has the model compute with matrices in other formats. Resolves with the relative error of each:
   * mean square of the difference by mean square, both weighted where `weighted` says so.
   */
  substitute(
    weights: readonly { readonly name: string; readonly type: string }[],
    weighted: boolean,
  ): Promise<Float64Array>;
  /** Takes all substitutes back. */
  restore(): Promise<void>;
  /** Reads a prompt and writes so many tokens. */
  measure(
    prompt: Int32Array,
    written: number,
  ): Promise<{ readonly prefill: NativeStepTimes; readonly decode: NativeStepTimes }>;
  /** To be called once. */
  close(): Promise<void>;
}

/** What a model file is written from. */
export interface NativeRequantizeOptions {
  readonly source: NativeCheckedFile;
  /** Where it is written, under a name that nothing has. */
  readonly path: string;
  /** Tensors in other formats; the others are copied. */
  readonly tensors: readonly {
    readonly name: string;
    readonly type: string;
    /** As {@link NativeWeight.importance}. */
    readonly importance: Float32Array;
  }[];
  /** `general.file_type` of the new file. */
  readonly fileType: number;
  readonly threads: number;
}

/** A model file that is written. */
export interface NativeRequantizedFile {
  readonly writtenShare: number;
  /**
   * Finds out whether a file of about so many bytes can be written, and get that path then; leaves
   * nothing.
   */
  prepare(options: {
    readonly path: string;
    readonly bytes: number;
    readonly overwrite: boolean;
  }): Promise<void>;
  /** To be called once; resolves with the file's bytes. */
  write(): Promise<number>;
  abort(): void;
  /** Renames it, to a name that nothing has, or only what may be overwritten. */
  commit(path: string, overwrite: boolean): void;
  /** From now on the file is somebody else's: `close` leaves it. */
  release(): void;
  /** Ends what runs, and deletes the file. */
  close(): void;
}
