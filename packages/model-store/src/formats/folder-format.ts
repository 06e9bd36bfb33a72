import type { ModelDescription, ModelFileRole } from '@mobillm/core';
import type { FileTree, TreeFile } from './file-tree.js';

/** Layouts of a model in a folder. */
export type FolderFormatName = 'mlc' | 'qnn-context' | 'genie' | 'safetensors';

/** A file of a model in a folder. */
export interface FolderFile extends TreeFile {
  readonly role: ModelFileRole;
  /** What its content must have, where the model's index says it, in lower-case hexadecimal. */
  readonly sha256?: string;
  readonly md5?: string;
}

/** A model in a folder, by its configuration and index. */
export interface FolderReading {
  /** Its files, the one that names the others first. */
  readonly files: readonly FolderFile[];
  /** Describes it, and reads the headers of weights for it where there are such. */
  describe(): Promise<ModelDescription>;
}

/** How models of one layout are told from others, and read. */
export interface FolderFormat {
  readonly name: FolderFormatName;
  /** The file that names the others; its role is `weights`. */
  readonly entryName: string;
  /** Whether a folder with these files is one. */
  matches(names: readonly string[]): boolean;
  /**
   * Reads what the configuration and the index say, as words of a stranger.
   *
   * @throws MobillmError `FILE_NOT_FOUND` for a file that is missing, `MODEL_INVALID`, `MODEL_UNSUPPORTED`,
   * `INTEGRITY_FAILED` for a file of another size than the index says.
   */
  read(tree: FileTree, signal: AbortSignal): Promise<FolderReading>;
}
