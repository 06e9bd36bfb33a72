import { MobillmError } from '@mobillm/core';
import { bearer } from '../http/bearer.js';
import { badAnswer, type Answer } from '../http/http-client.js';
import { refusedBy } from '../http/network-errors.js';
import { isLoopback, isThisMachine } from '../http/this-machine.js';
import type { OllamaReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import { bytesOf, fieldsOf, listOf, sha256Of, textOf } from './json.js';
import type { RemoteFile, Source, SourceContext } from './source.js';

const maxManifestBytes = 2 ** 20;
const maxTokenBytes = 2 ** 16;
const maxLayers = 200;
const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';
const layerPrefix = 'application/vnd.ollama.image.';

/** Layers that are kept, with the role and the name of each. */
const kept: Readonly<Record<string, { readonly role: RemoteFile['role']; readonly name: string }>> =
  {
    model: { role: 'weights', name: 'model.gguf' },
    projector: { role: 'projector', name: 'projector.gguf' },
    adapter: { role: 'adapter', name: 'adapter.gguf' },
    template: { role: 'config', name: 'template.txt' },
    prompt: { role: 'config', name: 'template.txt' },
    system: { role: 'config', name: 'system.txt' },
    params: { role: 'config', name: 'params.json' },
    messages: { role: 'config', name: 'messages.json' },
    license: { role: 'license', name: 'license.txt' },
  };

/**
 * A model of an Ollama registry, or of what speaks its protocol (`hf.co`, a registry of one's own). What a
 * tag means is pinned by the digests of its manifest.
 */
export const ollamaSource: Source<OllamaReference> = async (reference, context) => {
  const { host, namespace, model, tag } = reference;
  const scheme = isLoopback(new URL(`http://${host}`).hostname) ? 'http' : 'https';
  const base = `${scheme}://${host}/v2/${namespace}/${model}`;
  const registry: Registry = { base, authorization: undefined };
  const url = `${base}/manifests/${tag}`;
  let answer = await getManifest(url, registry, context);
  if (answer.status === 401) {
    const challenge = answer.header('www-authenticate');
    answer.cancel();
    registry.authorization = await fetchToken(challenge, url, context);
    answer = await getManifest(url, registry, context);
  }
  if (answer.status !== 200) throw refusal(answer, reference);
  const bytes = await context.client.bytes(answer, maxManifestBytes, context.signal);
  const files = readLayers(bytes, url, reference, registry);
  return {
    name: nameOf(reference),
    format: 'gguf',
    files,
    origin: { reference: formatReference(reference), revision: `sha256:${context.sha256(bytes)}` },
  };
};

interface Registry {
  readonly base: string;
  authorization: string | undefined;
}

function getManifest(
  url: string,
  { authorization }: Registry,
  { client, signal }: SourceContext,
): Promise<Answer> {
  return client.get(url, { headers: { accept: manifestType }, authorization, signal });
}

/** Asks whom the registry names for a token that anybody gets. */
async function fetchToken(
  challenge: string | undefined,
  url: string,
  { client, signal }: SourceContext,
): Promise<string> {
  const field = (name: string) =>
    new RegExp(`${name}="([^"]*)"`, 'i').exec(challenge ?? '')?.[1] ?? '';
  const realm = field('realm');
  const address = URL.canParse(realm) ? new URL(realm) : undefined;
  const plain = address?.protocol === 'http:' && url.startsWith('https:');
  const inward = isThisMachine(address?.hostname ?? '') && !isThisMachine(new URL(url).hostname);
  if (!/^bearer /i.test(challenge ?? '') || address === undefined || plain || inward) {
    throw new MobillmError(
      'ACCESS_DENIED',
      `The registry at ${new URL(url).host} wants a login of a kind that is not known here.`,
      { details: { host: new URL(url).host } },
    );
  }
  for (const name of ['service', 'scope']) {
    if (field(name) !== '') address.searchParams.set(name, field(name));
  }
  const answer = await client.get(address.href, { signal });
  if (answer.status !== 200) {
    answer.cancel();
    throw refusedBy(address.href, answer.status, 'a token');
  }
  const fields = fieldsOf(await client.json(answer, maxTokenBytes, signal));
  const authorization = bearer(textOf(fields['token']) ?? textOf(fields['access_token']));
  if (authorization === undefined) throw badAnswer(address.href, 'has no token in it');
  return authorization;
}

function readLayers(
  bytes: Uint8Array,
  url: string,
  reference: OllamaReference,
  registry: Registry,
): RemoteFile[] {
  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw badAnswer(url, 'is no manifest');
  }
  const layers = listOf(fieldsOf(manifest)['layers'], url);
  if (layers.length > maxLayers) throw badAnswer(url, `has more than ${maxLayers} layers`);
  const files: RemoteFile[] = [];
  const counts = new Map<string, number>();
  for (const layer of layers) {
    const fields = fieldsOf(layer);
    const type = textOf(fields['mediaType']) ?? '';
    const kind = type.startsWith(layerPrefix) ? type.slice(layerPrefix.length) : '';
    if (kind === 'tensor') {
      throw new MobillmError(
        'MODEL_UNSUPPORTED',
        `The tag "${reference.tag}" of "${reference.model}" is made for MLX and not a GGUF file. Choose another tag.`,
        { details: { ...reference } },
      );
    }
    const known = Object.hasOwn(kept, kind) ? kept[kind] : undefined;
    if (known === undefined) continue;
    const sha256 = sha256Of(fields['digest']);
    const fileBytes = bytesOf(fields['size']);
    if (sha256 === undefined || fileBytes === undefined) {
      throw badAnswer(url, 'names a layer without a sha256 or a size');
    }
    const number = (counts.get(known.name) ?? 0) + 1;
    counts.set(known.name, number);
    files.push({
      fileName: number === 1 ? known.name : known.name.replace('.', `-${number}.`),
      role: known.role,
      fileBytes,
      sha256,
      addresses: [
        { url: `${registry.base}/blobs/sha256:${sha256}`, authorization: registry.authorization },
      ],
    });
  }
  if (!files.some(({ role }) => role === 'weights')) {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `"${reference.model}:${reference.tag}" holds no weights; it runs in the cloud alone, or is of a kind that is not known here. Choose another tag.`,
      { details: { ...reference } },
    );
  }
  // The first of role `weights` is the one that an engine starts from.
  return files.sort((a, b) => Number(b.role === 'weights') - Number(a.role === 'weights'));
}

function refusal(answer: Answer, reference: OllamaReference): MobillmError {
  const { status } = answer;
  const { host, namespace, model, tag } = reference;
  answer.cancel();
  if (status === 404) {
    return new MobillmError(
      'MODEL_NOT_FOUND',
      `The registry at ${host} has no model "${namespace}/${model}" with the tag "${tag}". Check both names.`,
      { details: { ...reference } },
    );
  }
  if (status === 401 || status === 403) {
    return new MobillmError(
      'ACCESS_DENIED',
      `The registry at ${host} does not give "${namespace}/${model}:${tag}" to everybody.`,
      { details: { ...reference } },
    );
  }
  return refusedBy(answer.url, status, `the model "${model}"`);
}

/** As Ollama lists it. */
function nameOf({ host, namespace, model, tag }: OllamaReference): string {
  const path = host === 'registry.ollama.ai' ? [namespace, model] : [host, namespace, model];
  if (path[0] === 'library') path.shift();
  return `${path.join('/')}:${tag}`;
}
