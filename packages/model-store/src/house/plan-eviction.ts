import { bytesOnDisk, type OwnedModel } from './owned-models.js';

/** What may go, and how much may stay. */
export interface EvictionRules {
  /** Bytes that the models may have on the disk. */
  readonly maxBytes: number;
  /** Names of models that have to stay, beside those that are pinned. */
  readonly keep: ReadonlySet<string>;
}

/** What is to go. */
export interface EvictionPlan {
  /** The least recently used first. */
  readonly evict: readonly OwnedModel[];
  /** Bytes on the disk afterwards; above `maxBytes` where what has to stay is more than that. */
  readonly leftBytes: number;
  /** Bytes that have to stay. */
  readonly keptBytes: number;
}

/**
 * Chooses the models to delete so that the rest fits: the least recently used, and of these none that would
 * still fit beside what stays, such as one whose files have other names in the store.
 */
export function planEviction(models: readonly OwnedModel[], rules: EvictionRules): EvictionPlan {
  const { maxBytes, keep } = rules;
  const mayGo = ({ manifest }: OwnedModel) => !manifest.pinned && !keep.has(manifest.name);
  const candidates = models.filter(mayGo).sort(byLastUse);
  const gone = new Set<OwnedModel>();
  const left = () => bytesOnDisk(models.filter((model) => !gone.has(model)));
  let leftBytes = left();
  for (const model of candidates) {
    if (leftBytes <= maxBytes) break;
    gone.add(model);
    leftBytes = left();
  }
  for (const model of [...gone].reverse()) {
    gone.delete(model);
    const bytes = left();
    if (bytes <= Math.max(maxBytes, leftBytes)) leftBytes = bytes;
    else gone.add(model);
  }
  const keptBytes = bytesOnDisk(models.filter((model) => !mayGo(model)));
  return { evict: candidates.filter((model) => gone.has(model)), leftBytes, keptBytes };
}

function byLastUse(a: OwnedModel, b: OwnedModel): number {
  return a.lastUsedMs - b.lastUsedMs || (a.manifest.name < b.manifest.name ? -1 : 1);
}
