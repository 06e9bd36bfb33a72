import { formatBytes, MobillmError } from '@mobillm/core';
import type { FileSystem, FileUpdater } from '../file-system/file-system.js';
import type { HttpClient } from '../http/http-client.js';
import { removeTree } from '../remove-tree.js';
import { Connections } from './connections.js';
import { FrontHash } from './front-hash.js';
import { Journal, type DownloadSubject } from './journal.js';
import { learnSubject } from './learn-subject.js';
import { MirrorPool } from './mirror-pool.js';
import { Mirror, type MirrorAddress } from './mirror.js';
import { pieceBytes, PieceMap } from './piece-map.js';
import { whenRunning, type PullControl } from './pull-control.js';

/** Larger than any file of a model. */
const maxFileBytes = 2 ** 42;

/** What is to be downloaded, and to where. */
export interface DownloadRequest {
  /** Addresses of the same content, the one that is trusted most first. */
  readonly mirrors: readonly MirrorAddress[];
  /** Path of the file; its journal lies beside it under the same name and `.journal`. */
  readonly path: string;
  /** Size in bytes, where it is known beforehand. */
  readonly totalBytes?: number | undefined;
  /** The sha256 that the content must have, where it is known. */
  readonly sha256?: string | undefined;
  /** Connections at the same time, 8 at most. */
  readonly connections: number;
  /** Wait after a first failure in milliseconds, doubled after each further one; 500 by default. */
  readonly firstDelayMs?: number;
  /** Time in which a slow request is judged by its pace, in milliseconds; 10 s by default. */
  readonly paceMs?: number;
  /** Pauses it. */
  readonly control?: PullControl | undefined;
  readonly signal: AbortSignal;
  /** Told of the size once it is known, before anything comes; the download waits for it, and ends with what it throws. */
  readonly onSize?: (totalBytes: number) => Promise<void>;
  /** Told of bytes that are there, as often as something comes. */
  readonly onBytes: (doneBytes: number, totalBytes: number) => void;
  /** Told of a mirror that is no longer asked. */
  readonly onMirrorDropped?: (host: string, error: MobillmError) => void;
}

/** A file that has been downloaded. */
export interface DownloadedFile {
  readonly fileBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** The server's mark of the content, where no sha256 was known and it gives one. */
  readonly mark?: string;
  /** Bytes that an earlier try had left and that were taken over. */
  readonly resumedBytes: number;
  /** The CRC-32 of each of its pieces, in their order. */
  readonly checksums: Uint32Array;
}

/**
 * Downloads a file by several connections from several mirrors. What is there when it ends early, by an
 * error or by the end of the process, is found by the next one.
 *
 * @throws MobillmError `NETWORK_FAILED`, `INTEGRITY_FAILED`, `IO_FAILED`; the signal's reason.
 */
export async function downloadFile(
  fs: FileSystem,
  client: HttpClient,
  request: DownloadRequest,
): Promise<DownloadedFile> {
  const { path, firstDelayMs, onMirrorDropped, control, signal } = request;
  await whenRunning(control, signal);
  const mirrors = request.mirrors.map((address) => new Mirror(address, client, firstDelayMs));
  const subject = await learnSubject(mirrors, request);
  checkSize(subject.totalBytes, mirrors);
  const { pieces, unproven } = await recallPieces(fs, path, subject);
  await request.onSize?.(subject.totalBytes);
  // Its blocks are not taken beforehand. Node has no call for that, and zeros would be written before the
  // content, twice as much for a flash memory. Whoever meets a full disk in the middle loses nothing: what has
  // come stays, and the next pull goes on there.
  const file = await fs.update(path, subject.totalBytes);
  try {
    const journal = await Journal.begin(fs, journalOf(path), subject, pieces);
    try {
      const pool = new MirrorPool(mirrors, onMirrorDropped);
      const resumedBytes = pieces.doneBytes;
      const open = { fs, file, journal, pieces, unproven, pool };
      const sha256 = await fetchAndHash(open, request);
      await file.sync();
      const mark = request.sha256 === undefined ? subject.identity : undefined;
      return {
        fileBytes: subject.totalBytes,
        sha256,
        resumedBytes,
        ...(mark !== undefined && { mark }),
        checksums: pieces.allChecksums,
      };
    } finally {
      await journal.close().catch(() => undefined);
    }
  } finally {
    await file.close();
  }
}

/** A download whose files are open. */
interface OpenDownload {
  readonly fs: FileSystem;
  readonly file: FileUpdater;
  readonly journal: Journal;
  readonly pieces: PieceMap;
  /** Pieces that are only said to be there. */
  readonly unproven: PieceMap;
  readonly pool: MirrorPool;
}

/** What an earlier process left, by its journal. */
async function recallPieces(fs: FileSystem, path: string, subject: DownloadSubject) {
  const pieces = new PieceMap(subject.totalBytes);
  const unproven = new PieceMap(subject.totalBytes);
  const before = await fs.stat(path);
  if (before !== undefined) await Journal.recall(fs, journalOf(path), subject, pieces);
  for (let at = pieces.nextPresent(0); at < pieces.count; at = pieces.nextPresent(at + 1)) {
    if (at * pieceBytes + pieces.bytesOf(at) > (before?.fileBytes ?? 0)) pieces.drop(at);
    else unproven.add(at, 0);
  }
  // What is left of other content may have a second name by now: that of a model in the store.
  if (pieces.doneBytes === 0) await removeTree(fs, path);
  return { pieces, unproven };
}

function journalOf(path: string): string {
  return `${path}.journal`;
}

/** What is kept in memory grows with the size, which is the word of a server. */
function checkSize(totalBytes: number, mirrors: readonly Mirror[]): void {
  if (totalBytes <= maxFileBytes) return;
  throw new MobillmError(
    'MODEL_UNSUPPORTED',
    `The file at ${mirrors[0]?.host} has ${totalBytes} bytes by what is said of it, and files of up to ${formatBytes(maxFileBytes)} are downloaded.`,
    { details: { totalBytes, maxFileBytes } },
  );
}

/** Fetches what is missing until the whole has the sha256 that it must have. */
async function fetchAndHash(open: OpenDownload, request: DownloadRequest): Promise<string> {
  const { pieces, pool } = open;
  /** Which mirror gave a piece, by its place and one; 0 is an earlier process. */
  const origins = new Uint8Array(pieces.count);
  /** Pieces that others than the trusted mirror gave, to be compared with what it gives. */
  let suspects: readonly Suspect[] = [];
  for (;;) {
    const sha256 = await fetchAll(open, origins, request);
    if (request.sha256 === undefined || sha256 === request.sha256) {
      pool.dropLiars(liarsAmong(suspects, pieces));
      return sha256;
    }
    // Somebody's bytes are wrong. Only one mirror is asked from now on, and what the others gave
    // comes again from it: the next of them, should that be the one.
    const trusted = pool.trustNext();
    suspects = trusted === undefined ? [] : suspectsBeside(trusted, origins, pieces);
    if (suspects.length === 0) throw await mismatch(open, request, sha256);
    for (const { piece } of suspects) pieces.drop(piece);
  }
}

/** Runs connections until all is there, and returns its sha256. */
async function fetchAll(
  { fs, file, journal, pieces, unproven, pool }: OpenDownload,
  origins: Uint8Array,
  { path, connections: most, paceMs, control, signal, onBytes }: DownloadRequest,
): Promise<string> {
  const ending = new AbortController();
  const stop = () => ending.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const hash = new FrontHash({
    ...{ fs, path, file, pieces, unproven, control },
    signal: ending.signal,
    onDropped: () => connections.wake(),
  });
  const connections = new Connections({
    pool,
    sink: { fs, file, journal, pieces },
    ...{ most, paceMs, control },
    signal: ending.signal,
    onPiece: (piece, mirror) => {
      origins[piece] = mirror + 1;
      hash.advance();
      onBytes(pieces.doneBytes, pieces.totalBytes);
    },
  });
  try {
    return await connections.run(hash);
  } finally {
    signal.removeEventListener('abort', stop);
    ending.abort(new Error('the download has ended'));
    await connections.settled();
    await hash.digest.catch(() => undefined);
  }
}

interface Suspect {
  readonly piece: number;
  readonly checksum: number;
  /** As in `origins`. */
  readonly origin: number;
}

function suspectsBeside(trusted: number, origins: Uint8Array, pieces: PieceMap): Suspect[] {
  const result: Suspect[] = [];
  for (const [piece, origin] of origins.entries()) {
    if (origin !== trusted + 1) result.push({ piece, origin, checksum: pieces.checksum(piece) });
  }
  return result;
}

function liarsAmong(suspects: readonly Suspect[], pieces: PieceMap): Set<number> {
  const liars = suspects.filter(
    ({ piece, origin, checksum }) => origin > 0 && pieces.checksum(piece) !== checksum,
  );
  return new Set(liars.map(({ origin }) => origin - 1));
}

/** Forgets what was downloaded, so that the next try begins anew. */
async function mismatch(
  { fs, pool }: OpenDownload,
  { path, sha256: expected }: DownloadRequest,
  actual: string,
): Promise<MobillmError> {
  for (const left of [journalOf(path), path]) await fs.remove(left).catch(() => undefined);
  const hosts = [...new Set(pool.mirrors.map(({ host }) => host))].join(', ');
  return new MobillmError(
    'INTEGRITY_FAILED',
    `What ${hosts} served has the sha256 ${actual}, and ${expected} was expected. It was not kept. Try again; if that does not help, the file there is another one.`,
    { details: { actual, expected } },
  );
}
