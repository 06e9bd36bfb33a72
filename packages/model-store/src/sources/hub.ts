import { MobillmError, type ModelFileRole } from '@mobillm/core';
import { baseName } from '../base-name.js';
import type { MirrorAddress } from '../download/mirror.js';
import { bearer } from '../http/bearer.js';
import type { HuggingFaceReference, ModelScopeReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import { chooseFiles, type RepositoryFile } from './choose-files.js';
import { safeFileName } from './file-name.js';
import type { RemoteFile, RemoteModel } from './source.js';

/** A hub of repositories, and who asks it. */
export interface Hub {
  /** Its address, without a slash at the end. */
  readonly endpoint: string;
  /** Value of the header `authorization`, for the hub alone. */
  readonly authorization: string | undefined;
}

/**
 * A hub by its address and a token.
 *
 * @param variable name of what the address is from, for the error
 * @param token with or without the line end that files and variables bring along
 * @throws MobillmError `NETWORK_FAILED` for what is no address.
 */
export function hubAt(address: string, variable: string, token: string | undefined): Hub {
  const endpoint = address.replace(/\/+$/, '');
  if (!URL.canParse(endpoint)) {
    throw new MobillmError('NETWORK_FAILED', `${variable} is "${endpoint}", which is no address.`);
  }
  return { endpoint, authorization: bearer(token?.trim()) };
}

/**
 * The model that a reference chooses among the files of a repository.
 *
 * @param addressOf where the bytes of a file are
 * @throws MobillmError `MODEL_NOT_FOUND`, with what there is.
 */
export function chosenModel(
  reference: HuggingFaceReference | ModelScopeReference,
  files: readonly RepositoryFile[],
  addressOf: (path: string) => MirrorAddress,
  revision?: string,
): RemoteModel {
  const { repository, selection } = reference;
  const { weights, projector } = chooseFiles(repository, files, selection);
  const toRemote = (file: RepositoryFile, role: ModelFileRole): RemoteFile => ({
    fileName: safeFileName(baseName(file.path)),
    role,
    fileBytes: file.fileBytes,
    ...(file.sha256 !== undefined && { sha256: file.sha256 }),
    addresses: [addressOf(file.path)],
  });
  return {
    name: nameOf(repository, weights[0]?.path ?? ''),
    format: 'gguf',
    files: [
      ...weights.map((file) => toRemote(file, 'weights')),
      ...(projector === undefined ? [] : [toRemote(projector, 'projector')]),
    ],
    origin: {
      reference: formatReference(reference),
      ...(revision !== undefined && { revision }),
    },
  };
}

/** A name for a model of a repository: the file's own, with who made it (`owner/Model-Q4_K_M`). */
function nameOf(repository: string, path: string): string {
  const owner = repository.slice(0, repository.indexOf('/'));
  const base = baseName(path)
    .replace(/\.gguf$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '');
  return `${owner}/${base}`;
}
