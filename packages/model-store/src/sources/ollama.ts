import { MobillmError } from '@mobillm/core';
import { bearer } from '../http/bearer.js';
import { badAnswer, type Answer } from '../http/http-client.js';
import { refusedBy } from '../http/network-errors.js';
import { isLoopback, isThisMachine } from '../http/this-machine.js';
import type { OllamaReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import { fieldsOf, textOf } from './json.js';
import { manifestType, ollamaName, readLayers } from './ollama-layers.js';
import type { Source, SourceContext } from './source.js';

const maxManifestBytes = 2 ** 20;
const maxTokenBytes = 2 ** 16;

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
  const { authorization } = registry;
  const files = readLayers(parseManifest(bytes, url), reference, (what) => badAnswer(url, what));
  return {
    name: ollamaName(reference),
    format: 'gguf',
    files: files.map((layer) => ({
      ...layer,
      addresses: [{ url: `${base}/blobs/sha256:${layer.sha256}`, authorization }],
    })),
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

function parseManifest(bytes: Uint8Array, url: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw badAnswer(url, 'is no manifest');
  }
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
