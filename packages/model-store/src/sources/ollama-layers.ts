import { MobillmError, type ModelFileRole } from '@mobillm/core';
import type { OllamaReference } from '../reference/model-reference.js';
import { bytesOf, fieldsOf, sha256Of, textOf } from './json.js';

const maxLayers = 200;

/** Media type of a manifest. */
export const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';
/** Media type of the settings that a manifest names beside its layers. */
export const configType = 'application/vnd.docker.container.image.v1+json';
/** What the media types of layers begin with. */
export const layerPrefix = 'application/vnd.ollama.image.';

/** Layers that are kept, with the role and the file name of each. */
export const keptLayers: Readonly<
  Record<string, { readonly role: ModelFileRole; readonly name: string }>
> = {
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

/** A layer of a model that is kept. */
export interface Layer {
  readonly fileName: string;
  readonly role: ModelFileRole;
  readonly fileBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/**
 * The layers of a manifest that nobody vouches for, the weights first.
 *
 * @param bad makes the error for what is no manifest; told the end of a sentence
 * @throws MobillmError `MODEL_UNSUPPORTED` for a model without a GGUF file.
 */
export function readLayers(
  manifest: unknown,
  { model, tag, ...rest }: OllamaReference,
  bad: (what: string) => MobillmError,
): Layer[] {
  const layers = fieldsOf(manifest)['layers'];
  if (!Array.isArray(layers)) throw bad('is not the list that was asked for');
  if (layers.length > maxLayers) throw bad(`has more than ${maxLayers} layers`);
  const files: Layer[] = [];
  const counts = new Map<string, number>();
  for (const layer of layers as readonly unknown[]) {
    const fields = fieldsOf(layer);
    const type = textOf(fields['mediaType']) ?? '';
    const kind = type.startsWith(layerPrefix) ? type.slice(layerPrefix.length) : '';
    if (kind === 'tensor') {
      throw new MobillmError(
        'MODEL_UNSUPPORTED',
        `The tag "${tag}" of "${model}" is made for MLX and not a GGUF file. Choose another tag.`,
        { details: { ...rest, model, tag } },
      );
    }
    const known = Object.hasOwn(keptLayers, kind) ? keptLayers[kind] : undefined;
    if (known === undefined) continue;
    const sha256 = sha256Of(fields['digest']);
    const fileBytes = bytesOf(fields['size']);
    if (sha256 === undefined || fileBytes === undefined) {
      throw bad('names a layer without a sha256 or a size');
    }
    const number = (counts.get(known.name) ?? 0) + 1;
    counts.set(known.name, number);
    files.push({
      fileName: number === 1 ? known.name : known.name.replace('.', `-${number}.`),
      role: known.role,
      fileBytes,
      sha256,
    });
  }
  if (!files.some(({ role }) => role === 'weights')) {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `"${model}:${tag}" holds no weights; it runs in the cloud alone, or is of a kind that is not known here. Choose another tag.`,
      { details: { ...rest, model, tag } },
    );
  }
  // The first of role `weights` is the one that an engine starts from.
  return files.sort((a, b) => Number(b.role === 'weights') - Number(a.role === 'weights'));
}

/** A model's name as Ollama lists it. */
export function ollamaName({ host, namespace, model, tag }: OllamaReference): string {
  const path = host === 'registry.ollama.ai' ? [namespace, model] : [host, namespace, model];
  if (path[0] === 'library') path.shift();
  return `${path.join('/')}:${tag}`;
}
