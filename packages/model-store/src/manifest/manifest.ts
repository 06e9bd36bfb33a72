import type {
  ModelDescription,
  ModelFileRole,
  ModelFiles,
  ModelOrigin,
  ModelSource,
  StoredModel,
} from '@mobillm/core';
import { isSha256 } from '../is-sha256.js';
import { foreignApps, type ForeignApp } from '../foreign/found-model.js';
import { checkModelName } from '../model-name.js';
import { schemaVersion } from '../layout.js';

const storedFormats = ['gguf', 'mlc', 'qnn-context', 'genie', 'safetensors'] as const;

/** Layouts that the store keeps. */
export type StoredFormat = (typeof storedFormats)[number];

/** What a file of a model may be for. */
export const modelFileRoles: readonly ModelFileRole[] = [
  'weights',
  'projector',
  'adapter',
  'tokenizer',
  'config',
  'library',
  'license',
];

/** One file of a model as a manifest records it. */
export interface ManifestFile {
  /** Absolute for a linked model; from the store's folder for an owned one. */
  readonly path: string;
  readonly fileBytes: number;
  readonly role: ModelFileRole;
  /** Left out until somebody asks for it. */
  readonly sha256?: string;
  /** As the index of its model says them, in lower-case hexadecimal; compared when the file is read. */
  readonly indexSha256?: string;
  readonly md5?: string;
  /**
   * When its content was last written to, in milliseconds since 1970: where no sha256 tells, this and
   * the size tell whether it is what was added.
   */
  readonly modifiedMs?: number;
  /** Path in the repository that it came from. */
  readonly sourcePath?: string;
}

/** What the store records of a model: one JSON file each. */
export interface Manifest {
  readonly name: string;
  readonly format: StoredFormat;
  readonly ownership: 'linked' | 'owned';
  /** ISO 8601. */
  readonly addedAt: string;
  readonly files: readonly ManifestFile[];
  readonly description: ModelDescription;
  readonly origin?: ModelOrigin;
  readonly derivedFrom?: ModelSource;
  /** `true`, or left out. */
  readonly pinned?: boolean;
  /** App that holds the files of a linked model. */
  readonly app?: ForeignApp;
}

/** Thrown by {@link parseManifest}; its message says what is wrong, as the end of a sentence. */
export class ManifestDamage extends Error {}

/** The text of a manifest. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ schema: schemaVersion, ...manifest }, null, 2)}\n`;
}

/** A stored model whose files all have a size. */
export interface RecordedModel extends StoredModel {
  readonly files: Omit<ModelFiles, 'files'> & {
    readonly files: readonly Omit<
      ManifestFile,
      'modifiedMs' | 'md5' | 'indexSha256' | 'sourcePath'
    >[];
  };
}

/** The files of a manifest, with the paths of owned ones made absolute. */
export function absoluteFiles({ ownership, files }: Manifest, root: string): ManifestFile[] {
  return files.map((file) => ({
    ...file,
    path: ownership === 'owned' ? `${root}/${file.path}` : file.path,
  }));
}

/** The model that a manifest records, as callers see it. */
export function toStoredModel(manifest: Manifest, root: string): RecordedModel {
  const { name, format, ownership, addedAt, description, origin, app } = manifest;
  const { derivedFrom, pinned } = manifest;
  const files = absoluteFiles(manifest, root).map(({ path, fileBytes, role, sha256 }) => ({
    path,
    fileBytes,
    role,
    ...(sha256 !== undefined && { sha256 }),
  }));
  return {
    name,
    files: { format, files, name },
    description,
    ownership,
    addedAt,
    ...(origin !== undefined && { origin }),
    ...(derivedFrom !== undefined && { derivedFrom }),
    ...(pinned !== undefined && { pinned }),
    ...(app !== undefined && { app }),
  };
}

/**
 * Reads a manifest that may have been torn, edited or planted. Above all, an owned file lies in
 * `models/`, so that no manifest makes `remove` delete anything else.
 *
 * @throws ManifestDamage
 */
export function parseManifest(text: string): Manifest {
  const root = object(parseJson(text), 'the manifest');
  if (root['schema'] !== schemaVersion) {
    throw new ManifestDamage(
      `it has the schema ${JSON.stringify(root['schema'])}, and this version reads ${schemaVersion}`,
    );
  }
  const ownership = oneOf(root, 'ownership', ['linked', 'owned'] as const);
  const files = array(root, 'files').map((file, index) =>
    parseFile(object(file, `files[${index}]`), ownership),
  );
  if (!files.some(({ role }) => role === 'weights'))
    throw new ManifestDamage('it names no weights');
  const addedAt = string(root, 'addedAt');
  if (Number.isNaN(Date.parse(addedAt))) throw new ManifestDamage('"addedAt" is no date');
  return {
    name: parseName(string(root, 'name')),
    format: oneOf(root, 'format', storedFormats),
    ownership,
    addedAt,
    files,
    description: parseDescription(object(root['description'], '"description"')),
    ...(root['origin'] !== undefined && {
      origin: parseOrigin(object(root['origin'], '"origin"')),
    }),
    ...(root['derivedFrom'] !== undefined && {
      derivedFrom: parseSource(object(root['derivedFrom'], '"derivedFrom"')),
    }),
    ...(root['pinned'] !== undefined && { pinned: isTrue(root, 'pinned') }),
    ...(root['app'] !== undefined && { app: oneOf(root, 'app', foreignApps) }),
  };
}

function parseFile(file: Fields, ownership: 'linked' | 'owned'): ManifestFile {
  const path = string(file, 'path');
  const sha256 = file['sha256'] === undefined ? undefined : parseSha256(file, 'sha256');
  const parts = path.split(/[/\\]/);
  const inStore =
    /^models(?:\/[^/]+){2,10}$/.test(path) && !parts.includes('..') && !parts.includes('.');
  const absolute = /^(\/|[A-Za-z]:\/)/.test(path) && !parts.includes('..');
  if (path.includes('\0') || (ownership === 'owned' ? !inStore : !absolute)) {
    throw new ManifestDamage(`the path ${JSON.stringify(path)} leads outside of where it may`);
  }
  const role = oneOf(file, 'role', modelFileRoles);
  // Registries have layers without a byte, such as an empty system prompt.
  const fileBytes = size(file, 'fileBytes', role === 'weights' ? 1 : 0);
  const md5 = file['md5'] === undefined ? undefined : string(file, 'md5');
  if (md5 !== undefined && !/^[0-9a-f]{32}$/.test(md5)) throw new ManifestDamage('"md5" is no md5');
  const modifiedMs = file['modifiedMs'];
  if (modifiedMs !== undefined && typeof modifiedMs !== 'number') {
    throw new ManifestDamage('"modifiedMs" is not a number');
  }
  return {
    path,
    fileBytes,
    role,
    ...(sha256 !== undefined && { sha256 }),
    ...(file['indexSha256'] !== undefined && { indexSha256: parseSha256(file, 'indexSha256') }),
    ...(md5 !== undefined && { md5 }),
    ...(modifiedMs !== undefined && { modifiedMs }),
    ...(file['sourcePath'] !== undefined && { sourcePath: string(file, 'sourcePath') }),
  };
}

function parseOrigin(fields: Fields): ModelOrigin {
  return {
    reference: string(fields, 'reference'),
    ...(fields['revision'] !== undefined && { revision: string(fields, 'revision') }),
  };
}

function parseSource(fields: Fields): ModelSource {
  return {
    name: parseName(string(fields, 'name')),
    ...(fields['sha256'] !== undefined && { sha256: parseSha256(fields, 'sha256') }),
  };
}

function parseSha256(fields: Fields, key: string): string {
  const sha256 = string(fields, key);
  if (!isSha256(sha256)) throw new ManifestDamage(`"${key}" is not a sha256`);
  return sha256;
}

function isTrue(fields: Fields, key: string): true {
  if (fields[key] !== true) throw new ManifestDamage(`"${key}" is not true`);
  return true;
}

function parseName(name: string): string {
  try {
    return checkModelName(name, 'name');
  } catch (error) {
    throw new ManifestDamage((error as Error).message);
  }
}

function parseDescription(fields: Fields): ModelDescription {
  const optional = <T>(key: string, read: (fields: Fields, key: string) => T) =>
    fields[key] === undefined ? {} : { [key]: read(fields, key) };
  return {
    architecture: string(fields, 'architecture'),
    ...optional('name', string),
    ...optional('parameterCount', size),
    weightBytes: size(fields, 'weightBytes'),
    quantization: string(fields, 'quantization'),
    ...optional('layers', size),
    ...optional('embeddingLength', size),
    ...optional('attentionHeads', size),
    ...optional('kvHeads', size),
    ...optional('keyLength', size),
    ...optional('valueLength', size),
    ...optional('feedForwardLength', size),
    ...optional('vocabularySize', size),
    ...optional('trainedContextTokens', size),
    ...optional('tiedEmbedding', parseTiedEmbedding),
    ...optional('slidingWindowTokens', size),
    ...optional('chatTemplate', string),
  };
}

function parseTiedEmbedding(fields: Fields, key: string): ModelDescription['tiedEmbedding'] {
  const tied = object(fields[key], `"${key}"`);
  return { bytes: size(tied, 'bytes'), type: string(tied, 'type') };
}

type Fields = Readonly<Record<string, unknown>>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ManifestDamage('it is not JSON, or was cut short');
  }
}

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ManifestDamage(`${what} is not an object`);
  }
  return value as Fields;
}

function array(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key];
  if (!Array.isArray(value)) throw new ManifestDamage(`"${key}" is not an array`);
  return value;
}

function string(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string') throw new ManifestDamage(`"${key}" is not a string`);
  return value;
}

function size(fields: Fields, key: string, min = 0): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
    throw new ManifestDamage(`"${key}" is not an integer of at least ${min}`);
  }
  return value;
}

function oneOf<T extends string>(fields: Fields, key: string, choices: readonly T[]): T {
  const value = fields[key];
  if (!choices.includes(value as T)) {
    throw new ManifestDamage(`"${key}" is none of ${choices.join(', ')}`);
  }
  return value as T;
}
