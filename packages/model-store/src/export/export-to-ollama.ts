import { MobillmError, wrongValue } from '@mobillm/core';
import { baseName } from '../base-name.js';
import { ForeignContext } from '../foreign/foreign-context.js';
import { manifestFolders, ollamaFolders } from '../foreign/ollama-folder.js';
import { hashBytes } from '../hash-files.js';
import type { Manifest } from '../manifest/manifest.js';
import type { OllamaReference } from '../reference/model-reference.js';
import { parseReference } from '../reference/parse-reference.js';
import {
  configType,
  keptLayers,
  layerPrefix,
  manifestType,
  ollamaName,
  readLayers,
} from '../sources/ollama-layers.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import { BlobFolder } from './blob-folder.js';
import type { ExportModelOptions, ExportReport, HashedFile } from './export-options.js';
import { ollamaConfig } from './ollama-config.js';

const maxManifestBytes = 2 ** 20;

interface LayerEntry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly from?: string;
}

/**
 * Puts a model into Ollama's folder: blobs first, and the manifest that names them last, so that Ollama sees
 * it whole or not at all.
 */
export async function exportToOllama(
  context: StoreContext,
  manifest: Manifest,
  files: readonly HashedFile[],
  options: ExportModelOptions,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<ExportReport> {
  const { fs } = context;
  const reference = nameIn(manifest, options.as);
  const name = ollamaName(reference);
  const foreign = new ForeignContext(fs, signal, [], undefined);
  const folder = await folderOf(foreign, options.folder);
  const { existing = 'keep', template } = options;
  const place = await findManifest(foreign, folder, reference);
  if (place.bytes !== undefined && existing === 'keep') {
    if (!isSame(place.bytes, files, reference)) throw conflict(name);
    // It may have a template or settings that its user chose.
    const paths = files.map(({ sha256 }) => `${folder}/blobs/sha256-${sha256}`);
    return { name, files: paths.map((path) => ({ path, state: 'present' })) };
  }
  const blobs = await BlobFolder.open(fs, `${folder}/blobs`, signal, onBytes);
  const done: ExportReport['files'][number][] = [];
  const layers: LayerEntry[] = [];
  for (const file of files) {
    const kind = kindOf(file);
    if (kind === undefined) continue;
    done.push(await blobs.place(file, `${folder}/blobs/sha256-${file.sha256}`));
    const isPart = kind === 'model' && /-\d{5}-of-\d{5}\.gguf$/.test(file.path);
    layers.push({
      mediaType: `${layerPrefix}${kind}`,
      digest: `sha256:${file.sha256}`,
      size: file.fileBytes,
      ...(isPart && { from: baseName(file.path) }),
    });
  }
  const write = async (text: string): Promise<Omit<LayerEntry, 'mediaType'>> => {
    const bytes = new TextEncoder().encode(text);
    const sha256 = hashBytes(fs, bytes);
    await blobs.write(`${folder}/blobs/sha256-${sha256}`, bytes, 'keep');
    return { digest: `sha256:${sha256}`, size: bytes.byteLength };
  };
  const templateType = `${layerPrefix}template`;
  if (template !== undefined && !layers.some(({ mediaType }) => mediaType === templateType)) {
    layers.push({ mediaType: templateType, ...(await write(template)) });
  }
  const isSplit = layers.some(({ from }) => from !== undefined);
  const digests = layers.map(({ digest }) => digest);
  const config = await write(ollamaConfig(manifest.description, digests, isSplit));
  const text = `${JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: configType, ...config },
    layers,
  })}\n`;
  const bytes = new TextEncoder().encode(text);
  if (!(await blobs.write(place.path, bytes, existing))) throw conflict(name);
  return { name, files: done };
}

/** The name that a model gets: the wish, what it was pulled by, or what Ollama allows of its own. */
function nameIn({ name, origin }: Manifest, as: string | undefined): OllamaReference {
  if (as !== undefined) return parseName(as, as);
  try {
    const pulled = parseReference(origin?.reference ?? '');
    if (pulled.source === 'ollama') return pulled;
  } catch {
    // No origin.
  }
  const [path = '', tag] = name.split(':');
  const parts = path.split('/').map(allowed).filter(Boolean).slice(-2);
  return parseName(parts.join('/') + (tag === undefined ? '' : `:${allowed(tag)}`), name);
}

function allowed(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/[-.]{2,}/g, '-')
    .replaceAll(/^[-._]+|[-._]+$/g, '');
}

function parseName(text: string, name: string): OllamaReference {
  try {
    const parsed = parseReference(`ollama:${text}`);
    if (parsed.source === 'ollama') return parsed;
  } catch {
    // Said below, in words of this option.
  }
  throw wrongValue(
    'options.as',
    `"${name}" is no name that Ollama takes. Choose one of letters, digits, ".", "_" and "-", such as "name:tag"`,
  );
}

/** The folder that Ollama uses, or will use once it is installed. */
async function folderOf(foreign: ForeignContext, chosen: string | undefined): Promise<string> {
  const there = chosen === undefined ? await ollamaFolders(foreign) : [];
  const path =
    chosen ?? foreign.setting('OLLAMA_MODELS') ?? there[0] ?? foreign.home('.ollama/models');
  if (path === undefined) {
    throw wrongValue('options.folder', 'is needed: the environment does not say where Ollama is');
  }
  return foreign.fs.resolvePath(path);
}

/** Where the manifest of a model is or has its place, and its content. */
async function findManifest(
  foreign: ForeignContext,
  folder: string,
  { host, namespace, model, tag }: OllamaReference,
): Promise<{ readonly path: string; readonly bytes?: Uint8Array }> {
  const parts = [host, namespace, model, tag];
  for (const manifests of manifestFolders) {
    let path = `${folder}/${manifests}`;
    // Ollama takes names that differ in case alone for one.
    for (const part of parts) {
      const names = await foreign.list('ollama', path);
      const same = names.find((name) => name.toLowerCase() === part.toLowerCase());
      path = `${path}/${same ?? part}`;
    }
    const bytes = await foreign.read(path, maxManifestBytes).catch((error: unknown) => {
      throw storeFailure(error, `read "${path}"`);
    });
    if (bytes !== undefined) return { path, bytes };
  }
  // Every version reads this one.
  return { path: `${folder}/manifests/${parts.join('/')}` };
}

/** Whether a manifest is of the same weights. */
function isSame(
  bytes: Uint8Array,
  files: readonly HashedFile[],
  reference: OllamaReference,
): boolean {
  const sums = (list: readonly { readonly role: string; readonly sha256: string }[]) =>
    list
      .filter(({ role }) => role !== 'config' && role !== 'license')
      .map(({ role, sha256 }) => `${role} ${sha256}`)
      .join();
  try {
    const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const layers = readLayers(
      manifest,
      reference,
      (what) => new MobillmError('MODEL_INVALID', what),
    );
    return sums(layers) === sums(files);
  } catch {
    return false;
  }
}

/** The kind of layer that a file becomes; `undefined` for what Ollama has none for. */
function kindOf({ path, role }: HashedFile): string | undefined {
  if (role === 'weights') return 'model';
  if (role === 'projector' || role === 'adapter' || role === 'license') return role;
  const name = baseName(path).replace(/-\d+(?=\.)/, '');
  return Object.keys(keptLayers).find(
    (kind) => keptLayers[kind]?.name === name && keptLayers[kind].role === role,
  );
}

function conflict(name: string): MobillmError {
  return new MobillmError(
    'MODEL_CONFLICT',
    `Ollama has another model under the name "${name}". Choose another one (as), or let it be replaced (existing: 'replace').`,
    { details: { name } },
  );
}
