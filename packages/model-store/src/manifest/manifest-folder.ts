import { MobillmError } from '@mobillm/core';
import type { FileSystem } from '../file-system/file-system.js';
import type { StoreLayout } from '../layout.js';
import { makeLastingFolder } from '../make-lasting-folder.js';
import { removeTree } from '../remove-tree.js';
import { errnoOf, storeFailure } from '../store-errors.js';
import { formatManifest, ManifestDamage, parseManifest, type Manifest } from './manifest.js';

/** Manifests hold a chat template of 1 MiB at most, which JSON may write six times as long. */
const maxManifestBytes = 8 * 2 ** 20;
/** Files that are read at once while listing. */
const readAtOnce = 32;

/** A manifest, or what is wrong with it. */
export type ManifestState =
  | { readonly state: 'sound'; readonly manifest: Manifest }
  | { readonly state: 'damaged'; readonly error: MobillmError };

/** Reads and writes manifests. Changes are made by whoever holds the store's lock. */
export class ManifestFolder {
  constructor(
    private readonly layout: StoreLayout,
    private readonly fs: FileSystem,
  ) {}

  /** The manifest of a model; `undefined` when there is none. */
  async read(name: string): Promise<ManifestState | undefined> {
    const found = await this.readFile(this.layout.manifest(name));
    if (found?.state === 'sound' && found.manifest.name !== name) {
      return damaged(this.layout.manifest(name), `it is that of "${found.manifest.name}"`);
    }
    return found;
  }

  /** Names of all manifests' files, without their extension. */
  async stems(): Promise<string[]> {
    const names = await this.attempt(
      this.fs.listFolder(this.layout.manifests),
      `list "${this.layout.manifests}"`,
    );
    return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
  }

  /** All manifests, in no order. */
  async readAll(): Promise<ManifestState[]> {
    const { manifests } = this.layout;
    const paths = (await this.stems()).map((stem) => `${manifests}/${stem}.json`);
    const states: ManifestState[] = [];
    for (let i = 0; i < paths.length; i += readAtOnce) {
      const batch = paths.slice(i, i + readAtOnce).map(async (path) => {
        const found = await this.readFile(path);
        if (found?.state === 'sound' && this.layout.manifest(found.manifest.name) !== path) {
          return damaged(path, `it is that of "${found.manifest.name}"`);
        }
        return found;
      });
      // One may be removed while the others are read.
      states.push(...(await Promise.all(batch)).filter((state) => state !== undefined));
    }
    return states;
  }

  /**
   * Writes a manifest so that at any moment, a power cut included, the old one or the new one is
   * there: a new file is written and synced in `workFolder`, renamed over the old one, and the
   * folder is synced.
   */
  async write(manifest: Manifest, workFolder: string): Promise<void> {
    const { manifests } = this.layout;
    const path = this.layout.manifest(manifest.name);
    const temporary = `${workFolder}/manifest.json`;
    await this.attempt(
      (async () => {
        await makeLastingFolder(this.fs, manifests);
        await this.fs.remove(temporary);
        const writer = await this.fs.create(temporary);
        try {
          await writer.write(new TextEncoder().encode(formatManifest(manifest)));
          await writer.sync();
        } finally {
          await writer.close();
        }
        await this.fs.rename(temporary, path);
        await this.fs.syncFolder(manifests);
      })(),
      `record the model "${manifest.name}" in "${manifests}"`,
    );
  }

  /** Deletes the manifest of a model, for good. */
  async remove(name: string): Promise<void> {
    await this.attempt(
      (async () => {
        // Somebody may have put a folder in its place.
        await removeTree(this.fs, this.layout.manifest(name));
        await this.fs.syncFolder(this.layout.manifests);
      })(),
      `remove the record of "${name}"`,
    );
  }

  private async readFile(path: string): Promise<ManifestState | undefined> {
    try {
      const source = await this.fs.open(path);
      try {
        if (source.byteLength > maxManifestBytes) {
          throw new ManifestDamage(
            `it has ${source.byteLength} bytes, and at most ${maxManifestBytes} are read`,
          );
        }
        const bytes = await source.read(0, source.byteLength);
        return { state: 'sound', manifest: parseManifest(new TextDecoder().decode(bytes)) };
      } finally {
        await source.close();
      }
    } catch (error) {
      if (error instanceof ManifestDamage) return damaged(path, error.message);
      const errno = errnoOf(error) ?? '';
      if (errno === 'ENOENT') return undefined;
      if (['EISDIR', 'ENXIO'].includes(errno)) return damaged(path, 'it is not a file');
      throw storeFailure(error, `read "${path}"`);
    }
  }

  private attempt<T>(promise: Promise<T>, doing: string): Promise<T> {
    return promise.catch((error: unknown) => {
      throw storeFailure(error, doing);
    });
  }
}

function damaged(path: string, what: string): ManifestState {
  return {
    state: 'damaged',
    error: new MobillmError(
      'MODEL_INVALID',
      `The store's record "${path}" is damaged: ${what}. Remove the model and add it again; its own files are untouched.`,
      { details: { path, what } },
    ),
  };
}
