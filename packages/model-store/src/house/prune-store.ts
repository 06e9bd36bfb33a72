import type { WorkFolder } from '../lock.js';
import type { ProgressReporter } from '../progress.js';
import { removeModel } from '../remove-model.js';
import type { StoreContext } from '../store-context.js';
import { readClaims } from './claims.js';
import { clearDownloads, clearUnnamed, clearWorkFolders, idsOf } from './clear-leftovers.js';
import type { PrunedItem, PruneReport } from './house-types.js';
import { joinAllCopies } from './join-copies.js';
import { bytesOnDisk, readOwnedModels, type OwnedModel } from './owned-models.js';
import { planEviction } from './plan-eviction.js';

/** A checked call of `prune`. */
export interface PruneRequest {
  readonly maxBytes: number | undefined;
  readonly olderThanDays: number | undefined;
  readonly downloadsOlderThanDays: number;
  readonly dedupe: boolean;
  readonly dryRun: boolean;
}

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Clears up: what dead processes left, downloads that were given up, what no record names; and then models,
 * those that were used least lately first, until the rest is as small as it has to be.
 */
export async function pruneStore(
  context: StoreContext,
  request: PruneRequest,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<PruneReport> {
  const { dryRun, dedupe, downloadsOlderThanDays } = request;
  const kept = idsOf(await readOwnedModels(context));
  // Before a folder for this call's own temporary files is made, which sweeps them without a word.
  const temporary = await clearWorkFolders(context, kept, dryRun);
  const clear = async (work: WorkFolder | undefined): Promise<PruneReport> => {
    const clearing = { context, work, signal };
    const locked = <T>(job: () => Promise<T>) =>
      work === undefined ? job() : context.locked(work, signal, job);
    const downloads = await clearDownloads(clearing, kept, downloadsOlderThanDays);
    const joined = dedupe ? await joinAllCopies(context, work, progress, signal) : [];
    const evicted = await evict(context, request, work, signal);
    const unnamed = await locked(() => clearUnnamed(clearing));
    const removed = [...temporary, ...downloads, ...evicted.items, ...unnamed];
    // What would be joined is still counted as it is.
    const notYetJoined = dryRun ? sumOf(joined) : 0;
    return {
      dryRun,
      removed,
      joined,
      freedBytes: sumOf(removed) + sumOf(joined),
      ownedBytes: evicted.leftBytes - notYetJoined,
    };
  };
  return dryRun ? clear(undefined) : context.working(clear);
}

/** Deletes models that have not been used for long, and those that are too much. */
async function evict(
  context: StoreContext,
  request: PruneRequest,
  work: WorkFolder | undefined,
  signal: AbortSignal,
): Promise<{ readonly items: PrunedItem[]; readonly leftBytes: number }> {
  const items: PrunedItem[] = [];
  if (work === undefined) {
    let { models } = await readOwnedModels(context);
    const keep = await namesInUse(context);
    for (;;) {
      const next = chooseNext(models, keep, request);
      if (next === undefined) return { items, leftBytes: bytesOnDisk(models) };
      const rest = models.filter((model) => model !== next.model);
      items.push(toItem(next, models, rest));
      models = rest;
    }
  }
  // Each under a lock of its own: others need not wait until many gigabytes are deleted.
  for (;;) {
    const leftBytes = await context.locked(work, signal, async () => {
      const { models } = await readOwnedModels(context);
      const next = chooseNext(models, await namesInUse(context), request);
      if (next === undefined) return bytesOnDisk(models);
      await removeModel(context, next.model.manifest.name);
      const rest = models.filter((model) => model !== next.model);
      items.push(toItem(next, models, rest));
      return undefined;
    });
    if (leftBytes !== undefined) return { items, leftBytes };
  }
}

/** Models that a call under way needs, in any process. */
async function namesInUse({ fs, layout }: StoreContext): Promise<Set<string>> {
  const claims = await readClaims(fs, layout);
  return new Set(claims.flatMap(({ name, uses }) => [name, ...uses]));
}

interface Choice {
  readonly model: OwnedModel;
  readonly reason: string;
}

function chooseNext(
  models: readonly OwnedModel[],
  keep: ReadonlySet<string>,
  { olderThanDays, maxBytes }: PruneRequest,
): Choice | undefined {
  if (olderThanDays !== undefined) {
    const model = models.find(
      ({ manifest, lastUsedMs }) =>
        !manifest.pinned &&
        !keep.has(manifest.name) &&
        lastUsedMs < Date.now() - olderThanDays * dayMs,
    );
    if (model !== undefined) return { model, reason: `not used for ${olderThanDays} days` };
  }
  if (maxBytes === undefined) return undefined;
  const [model] = planEviction(models, { maxBytes, keep }).evict;
  return model && { model, reason: 'used least lately, and the store is above its limit' };
}

function toItem(
  { model, reason }: Choice,
  before: readonly OwnedModel[],
  after: readonly OwnedModel[],
): PrunedItem {
  const freedBytes = bytesOnDisk(before) - bytesOnDisk(after);
  return { kind: 'model', name: model.manifest.name, freedBytes, reason };
}

function sumOf(items: readonly { readonly freedBytes: number }[]): number {
  return items.reduce((sum, { freedBytes }) => sum + freedBytes, 0);
}
