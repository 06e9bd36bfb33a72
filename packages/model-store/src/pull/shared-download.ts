import { downloadFile, type DownloadedFile } from '../download/download.js';
import { recordBytes } from '../download/journal.js';
import { pieceBytes } from '../download/piece-map.js';
import type { FileSystem } from '../file-system/file-system.js';
import type { HttpClient } from '../http/http-client.js';
import { takeLock, type WorkFolder } from '../lock.js';
import { pause } from '../pause.js';
import type { RemoteFile } from '../sources/source.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';

/** How often a process that waits for another one's download looks how far it is. */
const watchMs = 500;

/** One file to download to its folder among the downloads. */
export interface SharedDownloadRequest {
  readonly file: RemoteFile;
  readonly folder: string;
  readonly connections: number;
  readonly work: WorkFolder;
  readonly signal: AbortSignal;
  readonly onBytes: (doneBytes: number, totalBytes: number | undefined) => void;
  readonly onSize?: (totalBytes: number) => Promise<void>;
  /** Called with the path of the content before the download begins, while its lock is held. */
  readonly prepare?: (path: string) => Promise<void>;
}

/** Content that is there, for whoever holds its download. */
export interface SharedDownload extends DownloadedFile {
  readonly path: string;
  /** Lets others have the download; what is in its folder stays. */
  readonly release: () => Promise<void>;
}

/**
 * Downloads a file while no other process does. `undefined` when another one was downloading it
 * meanwhile, and has ended.
 */
export async function downloadShared(
  { fs, onProblem }: StoreContext,
  client: HttpClient,
  request: SharedDownloadRequest,
): Promise<SharedDownload | undefined> {
  const { file, folder, work, signal, onBytes, onSize } = request;
  const path = `${folder}/content`;
  const seen = { waiting: false };
  const unlock = await takeLock(fs, `${folder}/lock`, work, signal, async () => {
    seen.waiting = true;
    onBytes(await journalledBytes(fs, `${path}.journal`), file.fileBytes);
    await pause(watchMs, signal);
  });
  const release = async () => {
    await unlock();
    // An empty one goes; not where there is something to take up, or the next one has the lock.
    await fs.removeFolder(folder).catch(() => undefined);
  };
  try {
    if (seen.waiting && (await fs.stat(path)) === undefined) {
      await release();
      return undefined;
    }
    await request.prepare?.(path);
    const done = await downloadFile(fs, client, {
      mirrors: file.addresses,
      path,
      totalBytes: file.fileBytes,
      sha256: file.sha256,
      connections: request.connections,
      signal,
      onBytes,
      ...(onSize !== undefined && { onSize }),
      onMirrorDropped: (_, error) => onProblem?.(error),
    });
    return { ...done, path, release };
  } catch (error) {
    await release();
    throw storeFailure(error, 'keep a download');
  }
}

/** Deletes what is left of a download; a failure is nobody's trouble: the next pull of it takes it up. */
export async function forgetDownload(fs: FileSystem, folder: string): Promise<void> {
  for (const name of ['content', 'content.journal', 'content.journal.new']) {
    await fs.remove(`${folder}/${name}`).catch(() => undefined);
  }
}

/** About how much a download has that another process is busy with. */
async function journalledBytes(fs: FileSystem, journal: string): Promise<number> {
  const facts = await fs.stat(journal).catch(() => undefined);
  return ((facts?.fileBytes ?? 0) / recordBytes) * pieceBytes;
}
