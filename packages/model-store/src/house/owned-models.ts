import type { MobillmError } from '@mobillm/core';
import type { Manifest, ManifestFile } from '../manifest/manifest.js';
import type { StoreContext } from '../store-context.js';

/** A file that the store owns, as it is on the disk. */
export interface OwnedFile {
  /** Absolute path. */
  readonly path: string;
  readonly recorded: ManifestFile;
  /** The same for all names of one file. */
  readonly id: string;
  /** Bytes on the disk now. */
  readonly fileBytes: number;
}

/** A model whose files the store owns. */
export interface OwnedModel {
  readonly manifest: Manifest;
  /** Those that are there. */
  readonly files: readonly OwnedFile[];
  /** When it was last resolved, or else when it was added; milliseconds since 1970. */
  readonly lastUsedMs: number;
}

/** What the store owns, and records that cannot be read. */
export interface OwnedModels {
  readonly models: readonly OwnedModel[];
  /** Names of the folders in `models/` that they are in. */
  readonly folders: ReadonlySet<string>;
  /** While there are any, nobody knows what else the store needs. */
  readonly damaged: readonly MobillmError[];
}

/** Looks at all that the store owns. */
export async function readOwnedModels(context: StoreContext): Promise<OwnedModels> {
  const states = await context.manifests.readAll();
  const damaged = states.flatMap((found) => (found.state === 'damaged' ? [found.error] : []));
  const manifests = states.flatMap((found) =>
    found.state === 'sound' && found.manifest.ownership === 'owned' ? [found.manifest] : [],
  );
  const uses = await context.uses.readAll(manifests.map(({ name }) => name));
  const models = await Promise.all(
    manifests.map(async (manifest) => ({
      manifest,
      files: await filesOf(context, manifest),
      lastUsedMs: Math.max(
        Date.parse(manifest.addedAt),
        Date.parse(uses.get(manifest.name) ?? manifest.addedAt),
      ),
    })),
  );
  const folders = manifests.flatMap(({ files }) =>
    files.map(({ path }) => path.split('/')[1] ?? ''),
  );
  return { models, folders: new Set(folders), damaged };
}

async function filesOf({ fs, layout }: StoreContext, { files }: Manifest): Promise<OwnedFile[]> {
  const found = await Promise.all(
    files.map(async (recorded) => {
      const path = `${layout.root}/${recorded.path}`;
      const facts = await fs.stat(path).catch(() => undefined);
      if (facts?.kind !== 'file') return [];
      const { fileBytes, fileId: id = path } = facts;
      return [{ path, recorded, id, fileBytes }];
    }),
  );
  return found.flat();
}

/** Bytes of files on the disk; one that has several names counts once. */
export function bytesOnDisk(models: readonly OwnedModel[]): number {
  const sizes = new Map<string, number>();
  for (const { files } of models) {
    for (const { id, fileBytes } of files) sizes.set(id, fileBytes);
  }
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}
