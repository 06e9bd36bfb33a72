import { MobillmError } from '@mobillm/core';
import type { FileSystem } from './file-system/file-system.js';
import { errnoOf } from './store-errors.js';

/** Gives the file of a lock's owner another name every so often. */
export class Heart {
  private name: string;
  private beats = 0;
  private readonly timer: ReturnType<typeof setInterval>;
  private beating: Promise<void> = Promise.resolve();

  constructor(
    private readonly fs: FileSystem,
    private readonly lock: string,
    private readonly own: string,
    everyMs: number,
    private readonly onLost: (error: MobillmError) => void,
  ) {
    this.name = own;
    this.timer = setInterval(() => {
      this.beating = this.beating.then(() => this.beat());
    }, everyMs);
  }

  /** Ends it, and returns the last name. */
  async stop(): Promise<string> {
    clearInterval(this.timer);
    await this.beating;
    return this.name;
  }

  private async beat(): Promise<void> {
    const next = `${this.own}.${(++this.beats).toString(36)}`;
    try {
      await this.fs.rename(`${this.lock}/${this.name}`, `${this.lock}/${next}`);
      this.name = next;
    } catch (error) {
      // A disk that fails for a while is no loss; others notice no beat meanwhile.
      if (errnoOf(error) !== 'ENOENT') return;
      clearInterval(this.timer);
      this.onLost(
        new MobillmError(
          'IO_FAILED',
          `Another process has taken over the lock "${this.lock}", as this one did not show for a while that it lives. Try again.`,
          { details: { path: this.lock }, retryable: true },
        ),
      );
    }
  }
}

/** For how long an owner of which nothing else is known has shown no life, by the clock of this process. */
export class Silence {
  private seen: { readonly name: string; readonly sinceMs: number } | undefined;

  constructor(private readonly longestMs: number) {}

  /** An owner was seen; whether it is to be taken for dead. */
  isDeath(name: string): boolean {
    const nowMs = performance.now();
    if (this.seen?.name !== name) this.seen = { name, sinceMs: nowMs };
    return nowMs - this.seen.sinceMs >= this.longestMs;
  }

  /** Whether this is an owner that is waited for in this way. */
  isJudging(name: string): boolean {
    return this.seen?.name === name;
  }
}
