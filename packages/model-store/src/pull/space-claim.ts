import { formatBytes, MobillmError } from '@mobillm/core';
import { baseName } from '../base-name.js';
import { Journal } from '../download/journal.js';
import type { WorkFolder } from '../lock.js';
import type { StoreContext } from '../store-context.js';
import { storeFailure } from '../store-errors.js';
import { leaveNote, readNotes } from '../work-notes.js';

const fileName = 'space';
/** A claim of ten thousand files has less. */
const maxClaimBytes = 2 ** 21;
/** A line of a claim: bytes in all, and the folder of the download. */
const lineForm = /^(\d{1,15}) ((?:address-)?[0-9a-f]{64})$/;

/**
 * The space on the disk that one pull was promised for all of its files: several pulls, of several processes, are
 * not promised the same. A claim is a file among the pull's temporary files, so it ends with its process.
 * What a download has already is not claimed any more; its journal tells.
 */
export class SpaceClaim {
  /** Size of what is downloaded, by the name of its folder. */
  private readonly claimed = new Map<string, number>();

  constructor(
    private readonly context: StoreContext,
    private readonly work: WorkFolder,
  ) {}

  /**
   * Claims space for downloads, of which the sizes are given by their folders.
   *
   * @throws MobillmError `IO_FAILED` with `ENOSPC` when the disk has less than this pull and the others that
   * are running need.
   */
  async add(sizes: ReadonlyMap<string, number>, signal: AbortSignal): Promise<void> {
    const { context, work, claimed } = this;
    const { fs, layout } = context;
    const fresh = [...sizes].filter(([folder, bytes]) => claimed.get(baseName(folder)) !== bytes);
    if (fresh.length === 0) return;
    try {
      await fs.makeFolder(layout.downloads);
      // Two who look at the same time would both find room.
      await context.locked(work, signal, async () => {
        const freeBytes = await fs.freeBytes(layout.downloads);
        if (freeBytes === undefined) return;
        for (const [folder, bytes] of fresh) claimed.set(baseName(folder), bytes);
        const othersBytes = await this.missingBytes(await this.claimsOfOthers());
        const wantedBytes = await this.missingBytes(claimed);
        if (wantedBytes + othersBytes > freeBytes) {
          throw noSpace(layout.downloads, { wantedBytes, othersBytes, freeBytes });
        }
        await this.write();
      });
    } catch (error) {
      throw storeFailure(error, `claim space in "${layout.downloads}"`);
    }
  }

  private write(): Promise<void> {
    const lines = [...this.claimed].map(([folder, bytes]) => `${bytes} ${folder}\n`);
    return leaveNote(this.context.fs, this.work, fileName, lines.join(''));
  }

  /** What running pulls download that this one does not. */
  private async claimsOfOthers(): Promise<Map<string, number>> {
    const { fs, layout } = this.context;
    const others = new Map<string, number>();
    // Of a process on another machine nobody knows, and space is not kept for it on a guess.
    const which = { fileName, own: this.work, unknown: false, maxBytes: maxClaimBytes };
    for (const note of await readNotes(fs, layout, which)) {
      for (const line of note.split('\n')) {
        const [, bytes, download] = lineForm.exec(line) ?? [];
        if (download === undefined || this.claimed.has(download)) continue;
        others.set(download, Number(bytes));
      }
    }
    return others;
  }

  private async missingBytes(sizes: ReadonlyMap<string, number>): Promise<number> {
    const { fs, layout } = this.context;
    let missing = 0;
    for (const [name, bytes] of sizes) {
      const { content, journal } = layout.content(`${layout.downloads}/${name}`);
      const there = await Journal.recordedBytes(fs, journal, content).catch(() => 0);
      missing += Math.max(0, bytes - there);
    }
    return missing;
  }
}

function noSpace(
  folder: string,
  details: Readonly<Record<'wantedBytes' | 'othersBytes' | 'freeBytes', number>>,
): MobillmError {
  const { wantedBytes, othersBytes, freeBytes } = details;
  const others = othersBytes > 0 ? `, other downloads ${formatBytes(othersBytes)}` : '';
  return new MobillmError(
    'IO_FAILED',
    `The download needs ${formatBytes(wantedBytes)} more on the disk of "${folder}"${others}, and ${formatBytes(freeBytes)} are free. Free some space, or keep the store on another disk.`,
    { details: { errno: 'ENOSPC', ...details } },
  );
}
