import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll } from 'vitest';

/** Why the tests with a real registry are left out; `undefined` where they run. */
export const noRegistry =
  process.env['MOBILLM_DOCKER_REGISTRY'] === undefined
    ? 'MOBILLM_DOCKER_REGISTRY names no registry server; "npm test" fetches one on Debian and Ubuntu'
    : undefined;

/** A layer of a model, by the end of its media type. */
export interface Layer {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** Debian's registry server, on this machine. */
export interface RegistryServer {
  /** Host and port. */
  readonly host: string;
  /** Puts a model there as `ollama push` does. Returns the digest of its manifest. */
  push(name: string, tag: string, layers: readonly Layer[]): Promise<string>;
  /** Puts a manifest there as it is, with the blobs that it names. Returns its digest. */
  pushAsIs(
    name: string,
    tag: string,
    manifest: Uint8Array,
    blobs: readonly Uint8Array[],
  ): Promise<string>;
}

/** Starts a registry for the tests of a file, over a folder that goes with it. */
export function registryServer(): RegistryServer {
  const state = { host: '', folder: '', stop: () => Promise.resolve() };
  beforeAll(async () => {
    state.folder = await mkdtemp(`${tmpdir()}/mobillm-registry-`);
    const port = await freePort();
    state.host = `127.0.0.1:${port}`;
    const config = `${state.folder}/config.yml`;
    await writeFile(
      config,
      JSON.stringify({
        version: 0.1,
        log: { level: 'error' },
        storage: { filesystem: { rootdirectory: `${state.folder}/data` } },
        http: { addr: state.host },
      }),
    );
    const server = spawn(process.env['MOBILLM_DOCKER_REGISTRY']!, ['serve', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    server.stderr.on('data', (chunk) => (said += String(chunk)));
    const ended = once(server, 'exit');
    state.stop = async () => {
      server.kill();
      await ended;
    };
    while (!(await answers(state.host))) {
      if (server.exitCode !== null) throw new Error(`the registry ended: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  afterAll(async () => {
    await state.stop();
    await rm(state.folder, { recursive: true, force: true });
  });
  return {
    get host() {
      return state.host;
    },
    push: (name, tag, layers) => push(`http://${state.host}/v2/${name}`, tag, layers),
    async pushAsIs(name, tag, manifest, blobs) {
      const base = `http://${state.host}/v2/${name}`;
      for (const blob of blobs) await upload(base, blob);
      return putManifest(base, tag, manifest);
    },
  };
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

async function push(base: string, tag: string, layers: readonly Layer[]): Promise<string> {
  const config = await upload(base, new TextEncoder().encode('{"model_format":"gguf"}'));
  const uploaded = await Promise.all(
    layers.map(async ({ kind, bytes }) => ({
      mediaType: `application/vnd.ollama.image.${kind}`,
      ...(await upload(base, bytes)),
    })),
  );
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', ...config },
    layers: uploaded,
  });
  return putManifest(base, tag, new TextEncoder().encode(manifest));
}

async function putManifest(base: string, tag: string, manifest: Uint8Array): Promise<string> {
  const answer = await fetch(`${base}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': manifestType },
    body: manifest as Uint8Array<ArrayBuffer>,
  });
  if (answer.status !== 201) throw new Error(`the manifest was refused: ${await answer.text()}`);
  return answer.headers.get('docker-content-digest')!;
}

async function upload(base: string, bytes: Uint8Array): Promise<{ digest: string; size: number }> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const url = new URL(begun.headers.get('location')!, base);
  url.searchParams.set('digest', digest);
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes as Uint8Array<ArrayBuffer>,
  });
  if (answer.status !== 201) throw new Error(`a layer was refused: ${await answer.text()}`);
  return { digest, size: bytes.byteLength };
}

async function answers(host: string): Promise<boolean> {
  return fetch(`http://${host}/v2/`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
