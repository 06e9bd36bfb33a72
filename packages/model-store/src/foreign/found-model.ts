import type { ModelDescription, ModelFileRole, ModelFiles } from '@mobillm/core';

/** Who holds a model that lies on this device; `folder` stands for a folder that the caller named. */
export type ForeignApp = 'ollama' | 'lm-studio' | 'hugging-face' | 'modelscope' | 'folder';

/** All of them, in the order in which they are looked through. */
export const foreignApps = [
  'ollama',
  'lm-studio',
  'hugging-face',
  'modelscope',
  'folder',
] as const satisfies readonly ForeignApp[];

/** How people call an app, to begin a sentence or stand in one. */
export const appTitles: Readonly<Record<ForeignApp, string>> = {
  ollama: 'Ollama',
  'lm-studio': 'LM Studio',
  'hugging-face': 'the Hugging Face cache',
  modelscope: 'the ModelScope cache',
  folder: 'a folder of yours',
};

/** A model of another app on this device. */
export interface FoundModel {
  /** Who holds it. */
  readonly app: ForeignApp;
  /** Name by which its user knows it there: `smollm2:135m`, `owner/repo/Model-Q4_K_M`. */
  readonly name: string;
  /** What asks its source for the same model again, where that is known: `ollama:…`, `hf:owner/repo@…:…`. */
  readonly reference?: string;
  /** Commit or digest of it, where its source has such. */
  readonly revision?: string;
  /** Its files where they lie; a sha256 where the name of a file tells it. */
  readonly files: ModelFiles;
  /** What its header says. */
  readonly description: ModelDescription;
}

/** One file of a model that was found. */
export interface FoundFile {
  readonly path: string;
  readonly fileBytes: number;
  /** When it was last written to, in milliseconds since 1970; left out in what was handed to the caller. */
  readonly modifiedMs?: number;
  readonly role: ModelFileRole;
  readonly sha256?: string;
  /** Path in the repository that it came from. */
  readonly sourcePath?: string;
}

/** A model that was found by the names of its files; no header was read. */
export interface UnreadModel extends Omit<FoundModel, 'files' | 'description'> {
  readonly app: ForeignApp;
  /** Parts of the weights first, in order. */
  readonly files: readonly FoundFile[];
}
