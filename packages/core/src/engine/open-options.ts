import type { ModelFiles } from '../store/model-files.js';
import type { MemoryEstimate } from './device.js';

/** Options of {@link Engine.estimate}. */
export interface EstimateOptions {
  /** Context of one sequence in tokens; the model's trained context by default. */
  readonly contextTokens?: number;
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has; see its factory. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /**
   * Adapters that are to be loaded and applied together, as paths or files that a store resolved; none by
   * default. Declared by `capabilities.adapters`.
   */
  readonly adapters?: readonly (ModelFiles | string)[];
  /** Stops the estimate. */
  readonly signal?: AbortSignal;
}

/** Memory that a model may take, by where it lies. */
export interface MemoryBudgets {
  /** This machine's, in bytes; what may be used now by default, less a reserve. */
  readonly machine?: number;
  /** That of devices beside the CPU, in bytes by id; what is free there by default. */
  readonly devices?: Readonly<Record<string, number>>;
}

/** Options of {@link Engine.fit}. */
export interface FitOptions {
  /**
   * Memory that the model may take, in bytes: a number for all of it together, wherever it lies, or one
   * each for the machine and for devices. What may be used now by default, less a reserve.
   */
  readonly budgetBytes?: number | MemoryBudgets;
  /**
   * Contexts of one sequence that are of use, in tokens: from 512 to the model's trained context by
   * default.
   */
  readonly contextTokens?: { readonly min?: number; readonly max?: number };
  /**
   * What to keep where not all fits: `precision` (the default) keeps the best number formats and
   * shortens the context as far as `min`; `context` takes the longest context that any has. Speed is given
   * up before either: where the engine is free to, it leaves to the CPU what a device does not hold.
   */
  readonly prefer?: 'precision' | 'context';
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has; what is given here is not searched. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** As in {@link EstimateOptions}. */
  readonly adapters?: readonly (ModelFiles | string)[];
  /** Stops the search. */
  readonly signal?: AbortSignal;
}

/** What {@link Engine.fit} found. */
export interface FittingOptions {
  /** To be passed to {@link Engine.open}, with whatever else it is to be told. */
  readonly openOptions: {
    readonly contextTokens: number;
    readonly sequences: number;
    readonly device?: string;
    readonly engineOptions: Readonly<Record<string, unknown>>;
  };
  /** What the model then takes. */
  readonly estimate: MemoryEstimate;
  /** What it may take, in bytes; absent where the system does not tell. */
  readonly budgetBytes?: number;
  /** Why it is these options, for a person to read. */
  readonly reason: string;
}

/** Options of {@link Engine.open}. */
export interface OpenOptions {
  /**
   * Context of one sequence in tokens, at most what the model was trained for. `auto` (the default)
   * takes the largest that fits the memory available now, 8192 at most.
   */
  readonly contextTokens?: number | 'auto';
  /** Sequences that may be open at once. Default 4, or what the engine allows. */
  readonly sequences?: number;
  /** Threads to decode with. `auto` (the default): as many as are free, never more than the fast cores. */
  readonly threads?: number | 'auto';
  /** Device to compute on, by id; the engine's first by default. */
  readonly device?: string;
  /** Options that this engine alone has; see its factory. */
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** Jinja source to use instead of the model's own chat template. */
  readonly chatTemplate?: string;
  /** Stops the opening, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told the loaded share, from 0 to 1. */
  readonly onProgress?: (share: number) => void;
}
