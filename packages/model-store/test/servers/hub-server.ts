import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { closedAfterEach, listen, sendBytes, stop } from './http-servers.js';

/** A repository of the hub. */
export interface HubRepository {
  /** `owner/name`. */
  readonly id: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Given to this token alone. */
  readonly token?: string;
  /** Whether its licence has to be accepted, which nobody has. */
  readonly gated?: boolean;
}

/** What a hub does beyond the plain. */
export interface HubOptions {
  /** Files a page of the list. */
  readonly pageSize?: number;
  /** Requests that a signed address is good for before it has expired. */
  readonly signedUses?: number;
  /** Whether it answers ranges with whole files. */
  readonly ignoresRanges?: boolean;
}

/** A request that a hub or its content network got. */
export interface HubRequest {
  readonly method: string;
  /** `hub`, or `content` where the bytes of large files come from. */
  readonly server: 'hub' | 'content';
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** A hub as huggingface.co behaves, on this machine: large files are redirected to another host. */
export interface HubServer {
  readonly endpoint: string;
  readonly requests: readonly HubRequest[];
  /** Bytes of files that went out, lists not counted. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

/** Smaller files are not kept as large ones, so that the hub has no sha256 of them. */
const largeBytes = 1000;

const hashOf = (kind: string, ...parts: (string | Uint8Array)[]) => {
  const hash = createHash(kind);
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
/** A sum that is computed once for each content: tests have some of many megabytes. */
function rememberedSum(compute: (bytes: Uint8Array) => string): (bytes: Uint8Array) => string {
  const known = new WeakMap<Uint8Array, string>();
  return (bytes) => {
    const sum = known.get(bytes) ?? compute(bytes);
    known.set(bytes, sum);
    return sum;
  };
}
const sha256Of = rememberedSum((bytes) => hashOf('sha256', bytes));
const gitHash = rememberedSum((bytes) => hashOf('sha1', `blob ${bytes.byteLength}\0`, bytes));

/** The one commit of a repository. */
export function commitOf({ id, files }: HubRepository): string {
  const sums = Object.entries(files).flatMap(([path, bytes]) => [path, gitHash(bytes)]);
  return hashOf('sha1', id, ...sums);
}

/** Starts a hub with some repositories. */
export async function startHub(
  repositories: readonly HubRepository[],
  options: HubOptions = {},
): Promise<HubServer> {
  const requests: HubRequest[] = [];
  const sent = { bytes: 0 };
  const sendContent = (
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Uint8Array,
    etag: string,
  ): void => {
    if (options.ignoresRanges) delete request.headers.range;
    const before = response.socket?.bytesWritten ?? 0;
    // What a client does not wait for is never sent.
    response.once('close', () => {
      sent.bytes += (response.socket ?? request.socket).bytesWritten - before;
    });
    sendBytes(request, response, bytes, { etag });
  };
  const signed = new Map<string, { bytes: Uint8Array; uses: number }>();
  const note = (server: 'hub' | 'content', request: IncomingMessage) =>
    requests.push({
      method: request.method ?? '',
      server,
      path: request.url ?? '',
      authorization: request.headers.authorization,
      range: request.headers.range,
    });

  const content = createServer((request, response) => {
    note('content', request);
    const entry = signed.get(request.url ?? '');
    if (entry === undefined || entry.uses-- <= 0) {
      response.writeHead(403, { 'content-type': 'application/xml' });
      response.end('<Error><Code>AccessDenied</Code></Error>');
      return;
    }
    sendContent(request, response, entry.bytes, `"${sha256Of(entry.bytes)}"`);
  });
  const contentPort = await listen(content);

  const hub = createServer((request, response) => {
    note('hub', request);
    const url = new URL(request.url ?? '', 'http://hub');
    const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/(revision|tree)\/([^/]+))?$/.exec(url.pathname);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const repository = repositories.find(({ id }) => id === (api ?? file)?.[1]);
    const refused =
      repository === undefined ? 'RepoNotFound' : refusal(repository, request, file !== null);
    if (repository === undefined || refused !== undefined) {
      // The real one answers 401 to those without a token, so that nobody learns what is there.
      const status = refused === 'GatedRepo' ? 403 : 401;
      refuse(response, status, refused ?? 'RepoNotFound');
      return;
    }
    const commit = commitOf(repository);
    const revision = decodeURIComponent(api?.[3] ?? file?.[2] ?? 'main');
    if (revision !== 'main' && revision !== commit) {
      refuse(response, 404, 'RevisionNotFound');
    } else if (file !== null) {
      sendFile(repository, commit, decodeURIComponent(file[3]!), request, response);
    } else if (api?.[2] !== 'tree') {
      sendJson(response, {
        id: repository.id,
        sha: commit,
        siblings: Object.keys(repository.files).map((rfilename) => ({ rfilename })),
      });
    } else {
      sendTree(repository, url, response);
    }
  });
  const hubPort = await listen(hub);
  const endpoint = `http://127.0.0.1:${hubPort}`;

  function sendTree(repository: HubRepository, url: URL, response: ServerResponse): void {
    const entries = Object.entries(repository.files).map(([path, bytes]) => ({
      type: 'file',
      oid: gitHash(bytes),
      size: bytes.byteLength,
      path,
      ...(bytes.byteLength >= largeBytes && {
        lfs: { oid: sha256Of(bytes), size: bytes.byteLength, pointerSize: 134 },
      }),
    }));
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const size = options.pageSize ?? 1000;
    const next = new URL(`${endpoint}${url.pathname}${url.search}`);
    next.searchParams.set('cursor', String(from + size));
    sendJson(
      response,
      entries.slice(from, from + size),
      from + size < entries.length ? { link: `<${next.href}>; rel="next"` } : {},
    );
  }

  function sendFile(
    repository: HubRepository,
    commit: string,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const bytes = Object.hasOwn(repository.files, path) ? repository.files[path]! : undefined;
    if (bytes === undefined) {
      refuse(response, 404, 'EntryNotFound');
      return;
    }
    response.setHeader('x-repo-commit', commit);
    if (bytes.byteLength < largeBytes) {
      sendContent(request, response, bytes, `"${gitHash(bytes)}"`);
      return;
    }
    const sha256 = sha256Of(bytes);
    const target = `/${sha256}?signature=${hashOf('sha256', sha256, String(signed.size))}`;
    signed.set(target, { bytes, uses: options.signedUses ?? Infinity });
    response.writeHead(302, {
      // Another host name for the same machine, as a content network is.
      location: `http://localhost:${contentPort}${target}`,
      'x-linked-size': bytes.byteLength,
      'x-linked-etag': `"${sha256}"`,
      'content-length': 0,
    });
    response.end();
  }

  return {
    endpoint,
    requests,
    get sentBytes() {
      return sent.bytes;
    },
    close: async () => {
      await Promise.all([stop(hub), stop(content)]);
    },
  };
}

/** Starts hubs for the tests of a file and stops them after each. */
export function hubServers(): typeof startHub {
  return closedAfterEach(startHub);
}

function refusal(
  { token, gated }: HubRepository,
  request: IncomingMessage,
  isFile: boolean,
): string | undefined {
  if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    return 'RepoNotFound';
  }
  // What there is, everybody may see.
  return gated && isFile ? 'GatedRepo' : undefined;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  sendJson(response, { error: code }, { 'x-error-code': code, 'x-error-message': code }, status);
}

function sendJson(
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
  status = 200,
): void {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
