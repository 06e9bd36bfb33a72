import type { ModelDescription, ModelFileRole, ModelOrigin } from '@mobillm/core';
import type { MirrorAddress } from '../download/mirror.js';
import type { HttpClient } from '../http/http-client.js';
import type {
  HuggingFaceReference,
  ModelReference,
  ModelScopeReference,
} from '../reference/model-reference.js';
import type { StoredFormat } from '../manifest/manifest.js';

/** A file of a model as its source offers it. */
export interface RemoteFile {
  /** Name that it is kept under, or its path in the model's folder. */
  readonly fileName: string;
  readonly role: ModelFileRole;
  /** Path in its repository. */
  readonly sourcePath?: string;
  /** Size in bytes, where the source tells. */
  readonly fileBytes?: number;
  /** Lower-case hexadecimal, where the source tells. */
  readonly sha256?: string;
  /** Where its bytes are, the source's own address first. */
  readonly addresses: readonly MirrorAddress[];
}

/** A model as its source offers it, before a weight is downloaded. */
export interface RemoteModel {
  /** A name for it in the store. */
  readonly name: string;
  readonly format: StoredFormat;
  /** Its files; the first of role `weights` is the one an engine starts from. */
  readonly files: readonly RemoteFile[];
  readonly origin: ModelOrigin;
  /** Describes it by its configuration and headers; left out of GGUF models, whose files tell all. */
  readonly describe?: () => Promise<ModelDescription>;
}

/** A reference to a repository of a hub. */
export type HubReference = HuggingFaceReference | ModelScopeReference;

/** A file of a repository. */
export interface RepositoryFile {
  /** Path in the repository. */
  readonly path: string;
  readonly fileBytes: number;
  /** Lower-case hexadecimal, where the repository tells. */
  readonly sha256?: string;
}

/** A repository as its hub lists it, at one revision. */
export interface Repository {
  readonly reference: HubReference;
  readonly files: readonly RepositoryFile[];
  /** Where the bytes of a file are. */
  readonly addressOf: (path: string) => MirrorAddress;
  /** The commit, where the hub has such. */
  readonly revision?: string;
}

/** What sources are given. */
export interface SourceContext {
  readonly client: HttpClient;
  /** Settings of the user, by name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A short text file of this device, such as a token; `undefined` where there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
  /** The sha256 of some bytes in lower-case hexadecimal. */
  readonly sha256: (bytes: Uint8Array) => string;
  /** Told of bytes of files that were read to find out what a model is. */
  readonly onFetched?: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Finds out what a reference means.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`, `ACCESS_DENIED`, `NETWORK_FAILED`.
 */
export type Source<R extends ModelReference> = (
  reference: R,
  context: SourceContext,
) => Promise<RemoteModel>;
