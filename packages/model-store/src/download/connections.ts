import { storeFailure } from '../store-errors.js';
import { fetchSpan } from './fetch-span.js';
import type { FrontHash } from './front-hash.js';
import { toFailure } from './learn-subject.js';
import type { Mirror } from './mirror.js';
import type { MirrorPool } from './mirror-pool.js';
import { pieceBytes } from './piece-map.js';
import { RangePlanner, type Span } from './range-planner.js';
import type { PieceSink } from './span-writer.js';

/** Bytes on their way to the disk and lost by a crash, of all connections together. */
const unrecordedBytes = 2 ** 20;
/** One request asks for what takes about so long, in seconds. */
const secondsARequest = 4;
const smallestRequest = 64;
const largestRequest = 4096;
/** Every so often one connection more is tried, in milliseconds, while that makes it faster. */
const rampMs = 250;
/** Connections that made nothing faster, one after the other, before no further one is tried. */
const mostIdleRamps = 3;

/** What {@link Connections} are given. */
export interface ConnectionsOptions {
  readonly pool: MirrorPool;
  readonly sink: Omit<PieceSink, 'onPiece'>;
  /** Connections at the same time. */
  readonly most: number;
  /** Told of a piece, and of the place of the mirror that gave it. */
  readonly onPiece: (piece: number, mirror: number) => void;
  readonly signal: AbortSignal;
}

/** The connections of one download: as many as make it faster, each with a span of its own. */
export class Connections {
  private readonly planner: RangePlanner;
  private readonly running = new Set<Promise<void>>();
  private receivedBytes = 0;
  private wanted = 1;
  private ramp = { atMs: performance.now(), bytes: 0, rate: 0, idle: 0 };
  private failure: { readonly error: unknown } | undefined;
  private wakeUp: (() => void) | undefined;

  constructor(private readonly options: ConnectionsOptions) {
    this.planner = new RangePlanner(options.sink.pieces);
  }

  /**
   * Runs connections until all is there and hashed, and returns the sha256.
   *
   * @throws MobillmError when the disk fails, or no mirror gives anything; the signal's reason.
   */
  async run(hash: FrontHash): Promise<string> {
    const { pool, sink, signal } = this.options;
    const wake = () => this.wake();
    signal.addEventListener('abort', wake, { once: true });
    const hashing: { digest?: string } = {};
    void hash.digest.then(
      (digest) => {
        hashing.digest = digest;
        this.wake();
      },
      (error: unknown) => this.fail(storeFailure(error, 'read a download')),
    );
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.failure !== undefined) throw this.failure.error;
        if (hashing.digest !== undefined) return hashing.digest;
        while (this.running.size < this.wanted && !sink.pieces.isWhole) {
          if (!this.startOne()) break;
        }
        if (this.running.size === 0 && !sink.pieces.isWhole) pool.checkLeft();
        await this.sleep();
        if (pool.givesRanges) this.considerOneMore();
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  /** Settles once no connection is left; the signal has to be aborted. */
  async settled(): Promise<void> {
    await Promise.all([...this.running]);
  }

  /** Something has changed that may need another connection, or none. */
  wake(): void {
    this.wakeUp?.();
  }

  private startOne(): boolean {
    const mirror = this.options.pool.choose(this.running.size, performance.now());
    const span = mirror && this.planner.take(requestPieces(mirror));
    if (mirror === undefined || span === undefined) return false;
    const connection = this.fetch(mirror, span)
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.running.delete(connection);
        this.wake();
      });
    this.running.add(connection);
    return true;
  }

  /** Fetches one span; a failure of the network is the mirror's, all others are thrown. */
  private async fetch(mirror: Mirror, span: Span): Promise<void> {
    const { pool, sink, signal, onPiece } = this.options;
    const place = pool.mirrors.indexOf(mirror);
    const report = { bytes: 0, gained: false };
    const startedMs = performance.now();
    const batch = Math.floor(unrecordedBytes / (2 * pieceBytes * (this.running.size + 1)));
    mirror.active++;
    try {
      const ownSink: PieceSink = {
        ...sink,
        onPiece: (piece) => {
          report.gained = true;
          this.receivedBytes += pieceBytes;
          pool.gained();
          onPiece(piece, place);
        },
      };
      await fetchSpan(mirror, span, ownSink, Math.max(1, batch), report, signal);
    } catch (error) {
      if (signal.aborted) return;
      const failure = toFailure(error, mirror);
      if (failure.code === 'IO_FAILED') throw failure;
      pool.failed(mirror, failure, report.gained, performance.now());
    } finally {
      if (report.gained) mirror.measure(report.bytes, (performance.now() - startedMs) / 1000);
      mirror.active--;
      this.planner.release(span);
    }
  }

  /** Tries one connection more, as long as that has made it faster lately. */
  private considerOneMore(): void {
    const nowMs = performance.now();
    if (nowMs - this.ramp.atMs < rampMs) return;
    const { atMs, bytes, rate: best, idle } = this.ramp;
    const rate = ((this.receivedBytes - bytes) * 1000) / (nowMs - atMs);
    this.ramp = {
      atMs: nowMs,
      bytes: this.receivedBytes,
      rate: Math.max(rate, best),
      idle: rate > best * 1.05 ? 0 : idle + 1,
    };
    if (this.ramp.idle < mostIdleRamps) this.wanted = Math.min(this.wanted + 1, this.options.most);
  }

  private fail(error: unknown): void {
    this.failure ??= { error };
    this.wake();
  }

  private async sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, rampMs);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }
}

function requestPieces({ bytesPerSecond = 0 }: Mirror): number {
  const pieces = Math.ceil((bytesPerSecond * secondsARequest) / pieceBytes);
  return Math.min(Math.max(pieces, smallestRequest), largestRequest);
}
