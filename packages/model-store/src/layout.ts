import type { FileSystem } from './file-system/file-system.js';
import { hashBytes } from './hash-files.js';

/** Version of the layout and of the manifests; a store of a later one is not touched. */
export const schemaVersion = 1;

/** Where things lie under the store's folder. */
export class StoreLayout {
  /** One JSON file a model. */
  readonly manifests: string;
  /** One folder for each model whose files the store owns. */
  readonly models: string;
  /** Work in progress, in a folder that carries the name of its process. */
  readonly temporary: string;
  /** One folder for each file that is being downloaded, or was when its process ended. */
  readonly downloads: string;
  /** One empty file for each model that was used; its name tells when. */
  readonly uses: string;
  /** Checksums of the pieces of files that were downloaded, one file for each content. */
  readonly checksums: string;
  /** A folder that is there while a process changes the store. */
  readonly lock: string;

  constructor(
    readonly root: string,
    private readonly fs: FileSystem,
  ) {
    this.manifests = `${root}/manifests`;
    this.models = `${root}/models`;
    this.temporary = `${root}/temporary`;
    this.downloads = `${root}/downloads`;
    this.uses = `${root}/uses`;
    this.checksums = `${root}/checksums`;
    this.lock = `${root}/lock`;
  }

  /**
   * File or folder name for a model: the readable part of its name, and enough of the name's hash
   * that no two models meet, on file systems that ignore case or know few characters too.
   */
  stem(name: string): string {
    const readable = name
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, '-')
      .replaceAll(/^[.-]+|[.-]+$/g, '')
      .slice(0, 64);
    return `${readable || 'model'}-${this.sha256Of(name).slice(0, 12)}`;
  }

  /**
   * Folder of a download: by its content where that is known, so that whoever wants the same content shares
   * it, and else by where it comes from.
   */
  download(sha256: string | undefined, address: string): string {
    return `${this.downloads}/${sha256 ?? `address-${this.sha256Of(address)}`}`;
  }

  /** The file in the folder of a download, and its journal. */
  content(folder: string): { readonly content: string; readonly journal: string } {
    return { content: `${folder}/content`, journal: `${folder}/content.journal` };
  }

  private sha256Of(text: string): string {
    return hashBytes(this.fs, new TextEncoder().encode(text));
  }

  /** The manifest of a model. */
  manifest(name: string): string {
    return `${this.manifests}/${this.stem(name)}.json`;
  }

  /** Folder for the files of a model that the store owns, from the store's folder. */
  ownedFolder(name: string): string {
    return `models/${this.stem(name)}`;
  }
}
