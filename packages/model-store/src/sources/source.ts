import type { ModelFileRole, ModelFormat, ModelOrigin } from '@mobillm/core';
import type { MirrorAddress } from '../download/mirror.js';
import type { HttpClient } from '../http/http-client.js';
import type { ModelReference } from '../reference/model-reference.js';

/** A file of a model as its source offers it. */
export interface RemoteFile {
  /** Name that it is kept under: a plain file name. */
  readonly fileName: string;
  readonly role: ModelFileRole;
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
  readonly format: ModelFormat;
  /** Its files; the first of role `weights` is the one an engine starts from. */
  readonly files: readonly RemoteFile[];
  readonly origin: ModelOrigin;
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
