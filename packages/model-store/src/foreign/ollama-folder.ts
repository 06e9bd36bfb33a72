import { MobillmError } from '@mobillm/core';
import type { OllamaReference } from '../reference/model-reference.js';
import { formatReference, parseReference } from '../reference/parse-reference.js';
import { fieldsOf, sha256Of, textOf } from '../sources/json.js';
import { ollamaName, readLayers, type Layer } from '../sources/ollama-layers.js';
import { hashBytes } from '../hash-files.js';
import { damaged, type ForeignContext } from './foreign-context.js';
import type { FoundFile, UnreadModel } from './found-model.js';

const app = 'ollama';
const maxManifestBytes = 2 ** 20;
/** Manifests lie in `manifests`, or since its later versions in `manifests-v2`, which goes before. */
export const manifestFolders = ['manifests-v2', 'manifests'] as const;

/** Folders in which Ollama keeps models on this device, the one in use first. */
export async function ollamaFolders(context: ForeignContext): Promise<string[]> {
  const prefix = context.setting('PREFIX');
  const rootfs = prefix && `${prefix}/var/lib/proot-distro/installed-rootfs`;
  // Termux: a Linux in a folder, where Ollama runs as root.
  const guests = rootfs ? await context.list(app, rootfs) : [];
  return context.distinctFolders(app, [
    context.setting('OLLAMA_MODELS'),
    context.home('.ollama/models'),
    // The service that its installer sets up on Linux.
    '/usr/share/ollama/.ollama/models',
    ...guests.flatMap((guest) => [
      `${rootfs}/${guest}/root/.ollama/models`,
      `${rootfs}/${guest}/usr/share/ollama/.ollama/models`,
    ]),
  ]);
}

/** Models that Ollama holds. */
export async function listOllama(context: ForeignContext): Promise<UnreadModel[]> {
  const found = new Map<string, UnreadModel>();
  for (const folder of await ollamaFolders(context)) {
    for (const { path, reference } of await listManifests(context, folder)) {
      const key = formatReference(reference);
      if (found.has(key)) continue;
      try {
        found.set(key, await readModel(context, folder, path, reference));
      } catch (error) {
        context.signal.throwIfAborted();
        context.tell(app, `the model "${ollamaName(reference)}"`, error);
      }
    }
  }
  return [...found.values()];
}

/**
 * The model of a reference, if Ollama holds it.
 *
 * @throws MobillmError when it holds one that cannot be used.
 */
export async function findInOllama(
  context: ForeignContext,
  reference: OllamaReference,
): Promise<UnreadModel | undefined> {
  const { host, namespace, model, tag } = reference;
  for (const folder of await ollamaFolders(context)) {
    for (const manifests of manifestFolders) {
      const path = `${folder}/${manifests}/${host}/${namespace}/${model}/${tag}`;
      if ((await context.stat(app, path)) === undefined) continue;
      return readModel(context, folder, path, reference);
    }
  }
  return undefined;
}

/** Manifests by host, namespace, model and tag. */
async function listManifests(
  context: ForeignContext,
  folder: string,
): Promise<{ readonly path: string; readonly reference: OllamaReference }[]> {
  const found: { path: string; reference: OllamaReference }[] = [];
  const visit = async (above: string, names: readonly string[]): Promise<void> => {
    const path = [above, ...names].join('/');
    if (names.length < 4) {
      for (const name of await context.list(app, path)) await visit(above, [...names, name]);
      return;
    }
    const reference = referenceOf(names);
    // Names that Ollama itself passes over: `.DS_Store`, what editors leave.
    if (reference !== undefined) found.push({ path, reference });
  };
  for (const name of manifestFolders) await visit(`${folder}/${name}`, []);
  return found;
}

function referenceOf(names: readonly string[]): OllamaReference | undefined {
  const [host, namespace, model, tag] = names;
  try {
    const parsed = parseReference(`ollama:${host}/${namespace}/${model}:${tag}`);
    return parsed.source === 'ollama' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

async function readModel(
  context: ForeignContext,
  folder: string,
  path: string,
  reference: OllamaReference,
): Promise<UnreadModel> {
  const bytes = await readManifest(context, path);
  let manifest = parse(bytes, path);
  const child = runnableOf(manifest);
  if (typeof child === 'string') {
    const childPath = `${folder}/blobs/sha256-${child}`;
    manifest = parse(await readManifest(context, childPath), childPath);
  } else if (child !== undefined) {
    manifest = child;
  }
  const layers = readLayers(manifest, reference, (what) => damaged(`"${path}" ${what}`));
  if (layers.filter(({ role }) => role === 'weights').length > 1) {
    // An engine finds the parts of a split model by their names, which these have none of.
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      'its weights are in several files, which cannot be used where they lie. Pull it into the store.',
    );
  }
  const files: FoundFile[] = [];
  for (const layer of layers) files.push(await findBlob(context, folder, layer));
  return {
    app,
    name: ollamaName(reference),
    reference: formatReference(reference),
    revision: `sha256:${hashBytes(context.fs, bytes)}`,
    files,
  };
}

async function readManifest(context: ForeignContext, path: string): Promise<Uint8Array> {
  const bytes = await context.read(path, maxManifestBytes);
  if (bytes === undefined) throw damaged(`"${path}" has gone`);
  return bytes;
}

function parse(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw damaged(`"${path}" is not JSON, or was cut short`);
  }
}

/**
 * Of a list of manifests, one for each way to run the model, the one with a GGUF file, or its sha256;
 * `undefined` for what is no such list.
 */
function runnableOf(manifest: unknown): unknown {
  const { manifests } = fieldsOf(manifest);
  if (!Array.isArray(manifests)) return undefined;
  for (const runner of ['ollama', 'llamacpp']) {
    const entry = manifests.map(fieldsOf).find((fields) => textOf(fields['runner']) === runner);
    if (entry !== undefined) return entry['layers'] ? entry : sha256Of(entry['digest']);
  }
  return undefined;
}

async function findBlob(
  context: ForeignContext,
  folder: string,
  { role, fileBytes, sha256 }: Layer,
): Promise<FoundFile> {
  const path = `${folder}/blobs/sha256-${sha256}`;
  const facts = await context.fs.stat(path);
  if (facts?.kind !== 'file') {
    throw damaged(`"${path}" is missing; pull the model again`);
  }
  if (facts.fileBytes !== fileBytes) {
    throw damaged(`"${path}" has ${facts.fileBytes} bytes and not ${fileBytes}`);
  }
  return { path, fileBytes, modifiedMs: facts.modifiedMs, role, sha256 };
}
