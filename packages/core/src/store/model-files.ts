/**
 * How a model's files are laid out; decides which engines can open them. An engine of somebody else's
 * may have a layout of its own, under a name that it chooses.
 */
export type ModelFormat =
  'gguf' | 'mlc' | 'qnn-context' | 'genie' | 'safetensors' | (string & Record<never, never>);

/** What one file of a model is for. */
export type ModelFileRole =
  'weights' | 'projector' | 'adapter' | 'tokenizer' | 'config' | 'library' | 'license';

/** One file of a model on this device. */
export interface ModelFile {
  /** Absolute path. */
  readonly path: string;
  /** Size in bytes, where it is known. */
  readonly fileBytes?: number;
  /** What it is for. */
  readonly role: ModelFileRole;
  /** Lower-case hexadecimal sha256 of its content, where known. */
  readonly sha256?: string;
}

/** The files of one model, as a store resolves a name and as an engine opens it. */
export interface ModelFiles {
  /** Layout of the files. */
  readonly format: ModelFormat;
  /**
   * All files; the first of role `weights` is the one an engine starts from. Of a model in a folder that
   * is the file that names the others: `mlc-chat-config.json`, `qnn-model.json`, `genie_config.json`, and of
   * safetensors `config.json`.
   */
  readonly files: readonly ModelFile[];
  /** Name under which the store knows the model, if it came from one. */
  readonly name?: string;
}
