/** A model of a Hugging Face hub. */
export interface HuggingFaceReference {
  readonly source: 'hugging-face';
  /** `owner/name`. */
  readonly repository: string;
  /** Branch, tag or commit; the repository's main branch by default. */
  readonly revision?: string;
  /** A file of the repository, a quantization (`Q4_K_M`) or `auto`. */
  readonly selection?: string;
}

/** A model of an Ollama registry, or of a server that speaks its protocol. */
export interface OllamaReference {
  readonly source: 'ollama';
  /** Host, with a port where it has one. */
  readonly host: string;
  readonly namespace: string;
  readonly model: string;
  /** Tag, `latest` by default; on `hf.co` it is a quantization. */
  readonly tag: string;
}

/** A model of ModelScope. */
export interface ModelScopeReference {
  readonly source: 'modelscope';
  /** `owner/name`. */
  readonly repository: string;
  readonly revision?: string;
  /** A file of the repository, a quantization or `auto`. */
  readonly selection?: string;
}

/** A file at an address. */
export interface UrlReference {
  readonly source: 'url';
  /** Address without its fragment. */
  readonly url: string;
  /** The sha256 that its content must have, in lower-case hexadecimal. */
  readonly sha256?: string;
}

/** A file on this device. */
export interface FileReference {
  readonly source: 'file';
  readonly path: string;
}

/** Where a model is to be taken from. */
export type ModelReference =
  HuggingFaceReference | OllamaReference | ModelScopeReference | UrlReference | FileReference;
