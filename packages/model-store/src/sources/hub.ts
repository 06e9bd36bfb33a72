import { MobillmError, type ModelFileRole } from '@mobillm/core';
import { baseName } from '../base-name.js';
import { bearer } from '../http/bearer.js';
import { formatReference } from '../reference/parse-reference.js';
import { repositoryTree } from '../remote/repository-tree.js';
import type { ChosenFiles } from './choose-files.js';
import { chooseModel, type ChosenFolder } from './choose-model.js';
import { safeFileName } from './file-name.js';
import { licenseOf } from './license-file.js';
import type {
  RemoteFile,
  RemoteModel,
  Repository,
  RepositoryFile,
  SourceContext,
} from './source.js';

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
 * The model that the reference of a repository chooses in it.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`, with what there is; for a model in a folder what its configuration
 * and index give rise to.
 */
export function chosenModel(repository: Repository, context: SourceContext): Promise<RemoteModel> {
  const { reference, files } = repository;
  const chosen = chooseModel(reference.repository, files, reference.selection);
  return chosen.format === 'gguf'
    ? Promise.resolve(ggufModel(repository, chosen))
    : folderModel(repository, chosen, context);
}

/** A model of a repository that consists of GGUF files. */
export function ggufModel(
  repository: Repository,
  { weights, projector }: ChosenFiles,
): RemoteModel {
  const toRemote = (file: RepositoryFile, role: ModelFileRole) =>
    remoteFile(repository, file, safeFileName(baseName(file.path)), role);
  const license = licenseOf(repository.files);
  return {
    name: nameInRepository(repository.reference.repository, weights[0]?.path ?? ''),
    format: 'gguf',
    files: [
      ...weights.map((file) => toRemote(file, 'weights')),
      ...(projector === undefined ? [] : [toRemote(projector, 'projector')]),
      ...(license === undefined ? [] : [toRemote(license, 'license')]),
    ],
    origin: originOf(repository),
  };
}

/** Machine code runs when a model is opened, and nobody has vouched for that of a repository. */
const leftThere: ReadonlySet<ModelFileRole> = new Set(['library']);

async function folderModel(
  repository: Repository,
  { format, folder }: ChosenFolder,
  context: SourceContext,
): Promise<RemoteModel> {
  const tree = repositoryTree(repository, folder, context);
  const reading = await format.read(tree, context.signal);
  const inRepository = (path: string) => (folder === '' ? path : `${folder}/${path}`);
  const byPath = new Map(repository.files.map((file) => [file.path, file]));
  const files = reading.files.flatMap(({ path, role }) => {
    const file = byPath.get(inRepository(path));
    if (file === undefined || leftThere.has(role)) return [];
    return [remoteFile(repository, file, keptPath(path), role)];
  });
  const license = licenseOf(repository.files);
  const licenseName = license && safeFileName(baseName(license.path));
  if (license && licenseName && files.every(({ fileName }) => fileName !== licenseName)) {
    files.push(remoteFile(repository, license, licenseName, 'license'));
  }
  return {
    name: nameInRepository(repository.reference.repository, folder),
    format: format.name,
    files,
    origin: originOf(repository),
    describe: () => reading.describe(),
  };
}

/** Files of a folder name each other, so that none can be kept under another name than its own. */
function keptPath(path: string): string {
  if (path.split('/').every((name) => safeFileName(name) === name)) return path;
  throw new MobillmError(
    'MODEL_UNSUPPORTED',
    `The model has a file of the name ${JSON.stringify(path)}, which not every file system takes. Download it by other means, and add its folder.`,
    { details: { path } },
  );
}

function remoteFile(
  { addressOf }: Repository,
  { path, fileBytes, sha256 }: RepositoryFile,
  fileName: string,
  role: ModelFileRole,
): RemoteFile {
  return {
    fileName,
    role,
    sourcePath: path,
    fileBytes,
    ...(sha256 !== undefined && { sha256 }),
    addresses: [addressOf(path)],
  };
}

function originOf({ reference, revision }: Repository): RemoteModel['origin'] {
  return {
    reference: formatReference(reference),
    ...(revision !== undefined && { revision }),
  };
}

/** The name of a file or folder, with who made it (`owner/Model-Q4_K_M`); of a whole repository its own. */
export function nameInRepository(repository: string, path: string): string {
  if (path === '') return repository;
  const owner = repository.slice(0, repository.indexOf('/'));
  const base = baseName(path)
    .replace(/\.gguf$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '');
  return `${owner}/${base}`;
}
