import { formatBytes, MobillmError } from '@mobillm/core';
import type { WorkFolder } from '../lock.js';
import { toStoredModel } from '../manifest/manifest.js';
import { removeModel } from '../remove-model.js';
import type { StoreContext } from '../store-context.js';
import { readClaims, writeClaim, type Claim } from './claims.js';
import { readOwnedModels, type OwnedModel } from './owned-models.js';
import { planEviction } from './plan-eviction.js';

/** A file that is to be taken in. */
export interface Wanted {
  /** Its content, where it is known. */
  readonly sha256?: string | undefined;
  /** `undefined` where nobody knows yet. */
  readonly fileBytes?: number | undefined;
  /** What tells it from others where its content is not known. */
  readonly path: string;
}

/**
 * Makes room for a model under the store's size limit, and claims it until the model is recorded. Content
 * that the store owns already takes no room, and the models that have it are claimed as well. Nothing is
 * deleted unless that is enough.
 *
 * @param name of the model that is to come; if there is one of that name, it stays
 * @returns what was claimed
 * @throws MobillmError `STORE_FULL`, with the numbers.
 */
export async function makeRoom(
  context: StoreContext,
  name: string,
  wanted: readonly Wanted[],
  work: WorkFolder,
  signal: AbortSignal,
): Promise<Claim> {
  // One at a time: a lock that is held while many gigabytes are deleted would stop others for long.
  for (;;) {
    const { claim, evicted } = await context.locked(work, signal, async () => {
      const { models } = await readOwnedModels(context);
      const claim = claimFor(name, wanted, models);
      const evicted = await chooseVictim(context, models, claim, work);
      await writeClaim(context.fs, work, claim);
      if (evicted !== undefined) await removeModel(context, evicted.manifest.name);
      return { claim, evicted };
    });
    if (evicted === undefined) return claim;
    context.limit.onEvicted?.(toStoredModel(evicted.manifest, context.layout.root));
  }
}

/** What a model needs, given what is there. */
function claimFor(name: string, wanted: readonly Wanted[], models: readonly OwnedModel[]): Claim {
  const uses = new Set<string>();
  const missing = new Map<string, number>();
  for (const { sha256, fileBytes = 0, path } of wanted) {
    const owners = models.filter((model) => sha256 !== undefined && hasContent(model, sha256));
    for (const { manifest } of owners) uses.add(manifest.name);
    if (owners.length === 0) missing.set(sha256 ?? path, fileBytes);
  }
  return { name, missing: [...missing], uses: [...uses] };
}

function hasContent({ files }: OwnedModel, sha256: string): boolean {
  return files.some(({ recorded }) => recorded.sha256 === sha256);
}

/** The next model to delete, if any has to go. */
async function chooseVictim(
  { fs, layout, limit }: StoreContext,
  models: readonly OwnedModel[],
  claim: Claim,
  work: WorkFolder,
): Promise<OwnedModel | undefined> {
  const { maxBytes } = limit;
  const wantedBytes = sumOf(claim.missing);
  if (maxBytes === undefined || wantedBytes === 0) return undefined;
  const others = await readClaims(fs, layout, work);
  const comingBytes = sumOf(stillComing(others, claim, models));
  const keep = new Set([claim, ...others].flatMap(({ name, uses }) => [name, ...uses]));
  const room = maxBytes - comingBytes - wantedBytes;
  const { evict, leftBytes, keptBytes } = planEviction(models, { maxBytes: room, keep });
  if (leftBytes <= room) return evict[0];
  throw storeFull(claim.name, { wantedBytes, maxBytes, keptBytes, comingBytes });
}

/** What others claim that is not recorded by now, and that this claim does not have as well. */
function stillComing(
  others: readonly Claim[],
  own: Claim,
  models: readonly OwnedModel[],
): Claim['missing'] {
  const coming = new Map<string, number>();
  for (const { name, missing } of others) {
    if (models.some(({ manifest }) => manifest.name === name)) continue;
    for (const [key, bytes] of missing) {
      if (!models.some((model) => hasContent(model, key))) coming.set(key, bytes);
    }
  }
  for (const [key] of own.missing) coming.delete(key);
  return [...coming];
}

function sumOf(missing: Claim['missing']): number {
  return missing.reduce((sum, [, bytes]) => sum + bytes, 0);
}

function storeFull(
  name: string,
  numbers: {
    readonly wantedBytes: number;
    readonly maxBytes: number;
    readonly keptBytes: number;
    readonly comingBytes: number;
  },
): MobillmError {
  const { wantedBytes, maxBytes, keptBytes, comingBytes } = numbers;
  const wanted = `The model "${name}" takes ${formatBytes(wantedBytes)}`;
  const limit = formatBytes(maxBytes);
  const coming =
    comingBytes === 0 ? '' : `, and ${formatBytes(comingBytes)} are for what is being added`;
  const message =
    wantedBytes > maxBytes
      ? `${wanted}, and the store may hold ${limit}. Raise maxBytes, or choose a smaller quantization.`
      : `${wanted}. Of the ${limit} that the store may hold, ${formatBytes(keptBytes)} have to stay, pinned or in use${coming}. Unpin or remove a model, raise maxBytes, or choose a smaller quantization.`;
  return new MobillmError('STORE_FULL', message, { details: { name, ...numbers } });
}
