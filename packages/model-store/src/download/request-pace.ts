/** How many times as fast another mirror has to be to take over what a slow one is at. */
const muchFaster = 4;

/** How fast a request has been lately, judged every so often by what it has brought since. */
export class RequestPace {
  private bytesPerSecond: number | undefined;
  private mark: { readonly atMs: number; readonly bytes: number };

  constructor(
    nowMs: number,
    /** Time between two judgements, in milliseconds. */
    private readonly windowMs: number,
  ) {
    this.mark = { atMs: nowMs, bytes: 0 };
  }

  /** It has brought so many bytes by now. */
  observe(nowMs: number, bytes: number): void {
    const passedMs = nowMs - this.mark.atMs;
    if (passedMs < this.windowMs) return;
    this.bytesPerSecond = ((bytes - this.mark.bytes) * 1000) / passedMs;
    this.mark = { atMs: nowMs, bytes };
  }

  /**
   * Whether the rest is better asked for anew from a mirror of another rate: one that is much faster, and
   * the rest would keep this request busy until the next judgement and longer.
   */
  isWorthReplacing(restBytes: number, otherBytesPerSecond: number | undefined): boolean {
    const { bytesPerSecond } = this;
    if (bytesPerSecond === undefined || otherBytesPerSecond === undefined) return false;
    return (
      otherBytesPerSecond >= muchFaster * bytesPerSecond &&
      restBytes * 1000 > bytesPerSecond * this.windowMs
    );
  }
}
