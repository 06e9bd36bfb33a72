import type { DriverAdapterUse } from '../engine/driver.js';
import type { AppliedAdapter } from '../kv/kv-snapshot.js';
import type { AdapterHandle } from './adapter-handle.js';
import type { Lifetime } from './lifetime.js';

/** Adapters with their scales, as a cache is computed with them. */
export interface AdapterSet {
  /** The same for the same adapters at the same scales, in whatever order they were named. */
  readonly key: string;
  /** None at the scale 0. */
  readonly uses: readonly ResolvedAdapterUse[];
}

/** One of the adapters of a set. */
export interface ResolvedAdapterUse {
  readonly adapter: AdapterHandle;
  /** An f32. */
  readonly scale: number;
}

/** No adapters. */
export const noAdapters: AdapterSet = { key: '', uses: [] };

/** Makes a set of adapters, none of which is named twice. */
export function adapterSet(uses: readonly ResolvedAdapterUse[]): AdapterSet {
  const applied = uses
    .map(({ adapter, scale }) => ({ adapter, scale: Math.fround(scale) }))
    .filter(({ scale }) => scale !== 0)
    .sort((a, b) => a.adapter.number - b.adapter.number);
  if (applied.length === 0) return noAdapters;
  const key = applied.map(({ adapter, scale }) => `${adapter.number}:${scale}`).join(' ');
  return { key, uses: applied };
}

/** The set as drivers take it. */
export function driverUses({ uses }: AdapterSet): DriverAdapterUse[] {
  return uses.map(({ adapter, scale }) => ({ adapter: adapter.driver, scale }));
}

/** The set as an option of drivers; nothing for none. */
export function adapterOption(set: AdapterSet): { readonly adapters?: DriverAdapterUse[] } {
  return set.uses.length > 0 ? { adapters: driverUses(set) } : {};
}

/**
 * Begins a job of a lifetime, and of those of the adapters that it applies: the `close` of each ends it.
 * See `Lifetime.begin`.
 */
export function beginWith(
  { uses }: AdapterSet,
  lifetime: Lifetime,
  signal?: AbortSignal,
  onStop?: (reason: unknown) => void,
): ReturnType<Lifetime['begin']> {
  const jobs: ReturnType<Lifetime['begin']>[] = [];
  const end = () => {
    for (const job of jobs) job.end();
  };
  let joined = signal;
  const begin = (each: Lifetime) => {
    const job = each.begin(joined, onStop);
    jobs.push(job);
    joined = job.signal;
    return job;
  };
  try {
    for (const { adapter } of uses) begin(adapter.lifetime);
    return { signal: begin(lifetime).signal, end };
  } catch (error) {
    end();
    throw error;
  }
}

/** Runs such a job from begin to end. */
export async function duringAll<T>(
  lifetime: Lifetime,
  adapters: AdapterSet,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const job = beginWith(adapters, lifetime, signal);
  try {
    job.signal.throwIfAborted();
    return await work(job.signal);
  } finally {
    job.end();
  }
}

/** The set as a placement tells it. */
export function appliedAdapters({ uses }: AdapterSet): AppliedAdapter[] {
  return uses.map(({ adapter, scale }) => ({ sha256: adapter.info.sha256, scale }));
}
