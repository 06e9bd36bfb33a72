import type { MobillmError } from '@mobillm/core';
import { downloadFile, type DownloadedFile } from '../download/download.js';
import { Journal } from '../download/journal.js';
import type { PullControl } from '../download/pull-control.js';
import type { HttpClient } from '../http/http-client.js';
import { takeLock, type WorkFolder } from '../lock.js';
import { pause } from '../pause.js';
import type { RemoteFile } from '../sources/source.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import { SpaceClaim } from './space-claim.js';

/** How often a process that waits for another one's download looks how far it is. */
const watchMs = 500;

/** One file to download to its folder among the downloads. */
export interface SharedDownloadRequest {
  readonly file: RemoteFile;
  readonly folder: string;
  readonly connections: number;
  readonly work: WorkFolder;
  /** Pauses it. */
  readonly control?: PullControl | undefined;
  /** What the whole job was promised of the disk; one of its own by default. */
  readonly space?: SpaceClaim;
  readonly signal: AbortSignal;
  /** Called when another process has taken the download over, as this one seemed to have ended. */
  readonly onLost?: (error: MobillmError) => void;
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
  context: StoreContext,
  client: HttpClient,
  request: SharedDownloadRequest,
): Promise<SharedDownload | undefined> {
  const { fs, layout, onProblem } = context;
  const { file, folder, work, signal, control, onBytes, onSize, onLost } = request;
  const { space = new SpaceClaim(context, work) } = request;
  const { content: path, journal } = layout.content(folder);
  const seen = { waiting: false };
  const onWait = async () => {
    seen.waiting = true;
    const doneBytes = await Journal.recordedBytes(fs, journal, path).catch(() => 0);
    onBytes(doneBytes, file.fileBytes);
    await pause(watchMs, signal);
  };
  const unlock = await takeLock(fs, `${folder}/lock`, work, signal, onWait, {
    ...(onLost !== undefined && { onLost }),
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
      ...{ control, signal, onBytes },
      onSize: async (totalBytes) => {
        await onSize?.(totalBytes);
        await space.add(new Map([[folder, totalBytes]]), signal);
      },
      onMirrorDropped: (_, error) => onProblem?.(error),
    });
    return { ...done, path, release };
  } catch (error) {
    await release();
    throw storeFailure(error, 'keep a download');
  }
}

/** Deletes what is left of a download; a failure is nobody's trouble: the next pull of it takes it up. */
export async function forgetDownload({ fs, layout }: StoreContext, folder: string): Promise<void> {
  const { content, journal } = layout.content(folder);
  for (const path of [content, journal, `${journal}.new`]) {
    await fs.remove(path).catch(() => undefined);
  }
}
