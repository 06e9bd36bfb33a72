import { MobillmError } from '@mobillm/core';
import { mostFailuresInARow } from './learn-subject.js';
import type { Mirror } from './mirror.js';

/** The mirrors of one download: who is asked next, and when to give up. */
export class MirrorPool {
  private failuresInARow = 0;
  private lastFailure: MobillmError | undefined;
  private trusted: number | undefined;

  constructor(
    readonly mirrors: readonly Mirror[],
    private readonly onDropped: ((host: string, error: MobillmError) => void) | undefined,
  ) {}

  /** Whether a mirror answers ranges, so that several connections help. */
  get givesRanges(): boolean {
    return this.mirrors.some(({ givesRanges }) => givesRanges);
  }

  /**
   * The mirror to ask next: one that has not been measured, and otherwise the fastest. `undefined` when all
   * that are left want to be left alone for a while, or cannot use a further connection.
   */
  choose(connections: number, nowMs: number): Mirror | undefined {
    if (this.failuresInARow >= mostFailuresInARow) return undefined;
    const ready = this.left.filter(
      (mirror) =>
        !mirror.isLeftAlone(nowMs) &&
        // Without ranges one answer is the whole file, which nobody can help with; and the first answer
        // tells whether there are ranges, or whether a failure has passed.
        (mirror.givesRanges === false
          ? connections === 0
          : mirror.active === 0 || (mirror.givesRanges === true && mirror.failures === 0)),
    );
    const ranged = ready.filter(({ givesRanges }) => givesRanges !== false);
    const choice = ranged.length > 0 ? ranged : ready;
    const fresh = choice.find(({ bytesPerSecond, active }) => !bytesPerSecond && active === 0);
    return (
      fresh ??
      choice.reduce<Mirror | undefined>((best, mirror) => {
        const isFaster = (mirror.bytesPerSecond ?? 0) > (best?.bytesPerSecond ?? -1);
        return isFaster ? mirror : best;
      }, undefined)
    );
  }

  /** A mirror failed; `gained` says whether anything came before that. */
  failed(mirror: Mirror, error: MobillmError, gained: boolean, nowMs: number): void {
    if (!gained && !mirror.isLeftAlone(nowMs)) this.failuresInARow++;
    this.lastFailure = error;
    mirror.fail(error, nowMs);
    if (mirror.dropped !== undefined) this.onDropped?.(mirror.host, error);
  }

  /** Something came. */
  gained(): void {
    this.failuresInARow = 0;
  }

  /**
   * Throws when no mirror is left, or none gives anything; to be called while nothing is under way.
   *
   * @throws MobillmError what the last one failed with.
   */
  checkLeft(): void {
    if (this.left.length > 0 && this.failuresInARow < mostFailuresInARow) return;
    throw this.lastFailure ?? new MobillmError('NETWORK_FAILED', 'No mirror is left to ask.');
  }

  /** From now on one mirror alone is asked: the next after the last one so chosen, by its place. */
  trustNext(): number | undefined {
    let next = this.trusted === undefined ? 0 : this.trusted + 1;
    while (this.mirrors[next]?.dropped !== undefined) next++;
    this.trusted = next;
    return next < this.mirrors.length ? next : undefined;
  }

  /** Drops mirrors whose bytes were found to be others than those of the file. */
  dropLiars(places: ReadonlySet<number>): void {
    for (const place of places) {
      const mirror = this.mirrors[place];
      if (mirror === undefined) continue;
      mirror.dropped = new MobillmError(
        'INTEGRITY_FAILED',
        `${mirror.host} served other bytes than the file has; what it gave was fetched again elsewhere.`,
        { details: { host: mirror.host } },
      );
      this.onDropped?.(mirror.host, mirror.dropped);
    }
  }

  private get left(): Mirror[] {
    return this.mirrors.filter(
      ({ dropped }, place) =>
        dropped === undefined && (this.trusted === undefined || this.trusted === place),
    );
  }
}
