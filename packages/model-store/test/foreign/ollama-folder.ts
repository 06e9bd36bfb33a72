import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A layer of a model, by the end of its media type. */
export interface OllamaLayer {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

export const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
export const text = (words: string) => new TextEncoder().encode(words);

/** Writes a file and the folders above it. */
export async function put(path: string, bytes: Uint8Array | string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** Puts a model into a folder as Ollama does (its manifest/manifest.go). Returns the manifest's path. */
export async function putOllamaModel(
  folder: string,
  name: string,
  layers: readonly OllamaLayer[],
): Promise<string> {
  const config = text('{"model_format":"gguf"}');
  for (const { bytes } of [...layers, { bytes: config }]) {
    await put(`${folder}/blobs/sha256-${hashOf(bytes)}`, bytes);
  }
  const entry = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: `sha256:${hashOf(bytes)}`,
    size: bytes.byteLength,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config: entry('application/vnd.docker.container.image.v1+json', config),
    layers: layers.map(({ kind, bytes }) => entry(`application/vnd.ollama.image.${kind}`, bytes)),
  };
  return put(`${folder}/manifests/${name}`, JSON.stringify(manifest));
}
