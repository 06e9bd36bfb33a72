import { MobillmError } from '@mobillm/core';
import { storeFailure } from '../store-errors.js';
import { fetchSpan, type SpanReport } from './fetch-span.js';
import type { FrontHash } from './front-hash.js';
import { toFailure } from './learn-subject.js';
import type { Mirror } from './mirror.js';
import type { MirrorPool } from './mirror-pool.js';
import { pieceBytes } from './piece-map.js';
import type { PullControl } from './pull-control.js';
import { RangePlanner, type Span } from './range-planner.js';
import { RequestPace } from './request-pace.js';
import type { Batching, PieceSink } from './span-writer.js';

/**
 * Pieces that have come, are not recorded, and are lost by a crash, of all connections together: a mebibyte, of
 * four connections at most.
 */
const unrecordedPieces = 2 ** 20 / pieceBytes;
/** What the streams of a connection hold of it: the part that is taken in, one of the body, and one of the socket. */
const streamedPieces = 3;
/** One request asks for what takes about so long, in seconds. */
const secondsARequest = 4;
const smallestRequest = 64;
const largestRequest = 4096;
/** Every so often one connection more is tried, in milliseconds, while that makes it faster. */
const rampMs = 250;
/** Connections that made nothing faster, one after the other, before no further one is tried. */
const mostIdleRamps = 3;

/** A request has so long to show that it is much slower than another mirror, in milliseconds. */
const paceMs = 10_000;

/** Why a request is ended that another mirror does better. */
const tooSlow = new Error('another mirror takes over');

/** What {@link Connections} are given. */
export interface ConnectionsOptions {
  readonly pool: MirrorPool;
  readonly sink: Omit<PieceSink, 'onPiece'>;
  /** Connections at the same time. */
  readonly most: number;
  /** Told of a piece, and of the place of the mirror that gave it. */
  readonly onPiece: (piece: number, mirror: number) => void;
  readonly control?: PullControl | undefined;
  /** Time in which a request is judged by its pace, in milliseconds; 10 s by default. */
  readonly paceMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** A request that is under way. */
interface RunningRequest {
  readonly mirror: Mirror;
  readonly span: Span;
  readonly report: SpanReport;
  readonly pace: RequestPace;
  /** Ends it; what it was at is missing then, and nobody's failure. */
  readonly ending: AbortController;
}

/** The connections of one download: as many as make it faster, each with a span of its own. */
export class Connections {
  private readonly planner: RangePlanner;
  /** Each with what settles once it has ended. */
  private readonly running = new Map<RunningRequest, Promise<void>>();
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
    const { control, signal } = this.options;
    const wake = () => this.wake();
    signal.addEventListener('abort', wake, { once: true });
    const stopListening = control?.onChange(wake);
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
        const isPaused = control?.isPaused === true;
        if (isPaused) this.stopAll();
        else this.startWhatIsWanted();
        await this.sleep(isPaused ? undefined : rampMs);
      }
    } finally {
      stopListening?.();
      signal.removeEventListener('abort', wake);
      this.stopAll();
    }
  }

  /** Settles once no connection is left; `run` has to have ended. */
  async settled(): Promise<void> {
    await Promise.all([...this.running.values()]);
  }

  /** Something has changed that may need another connection, or none. */
  wake(): void {
    this.wakeUp?.();
  }

  private startWhatIsWanted(): void {
    const { pool, sink } = this.options;
    while (this.running.size < this.wanted && !sink.pieces.isWhole) {
      if (this.startOne()) continue;
      this.stopSlowOne();
      break;
    }
    if (this.running.size === 0 && !sink.pieces.isWhole) pool.checkLeft();
    if (pool.givesRanges) this.considerOneMore();
  }

  private startOne(): boolean {
    const mirror = this.options.pool.choose(this.running.size, performance.now());
    const span = mirror && this.planner.take(requestPieces(mirror));
    if (mirror === undefined || span === undefined) return false;
    const request: RunningRequest = {
      mirror,
      span,
      report: { bytes: 0, gained: false },
      pace: new RequestPace(performance.now(), this.options.paceMs ?? paceMs),
      ending: new AbortController(),
    };
    const ended = this.fetch(request)
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.running.delete(request);
        this.wake();
      });
    this.running.set(request, ended);
    return true;
  }

  private stopAll(): void {
    for (const { ending } of this.running.keys()) {
      ending.abort(new Error('the request is not needed'));
    }
  }

  /**
   * Where nothing is left to ask for, a request may be so slow that all wait for it: what it is at is
   * asked for anew by the next one, of the mirror that is the fastest.
   */
  private stopSlowOne(): void {
    const { pool, sink } = this.options;
    const nowMs = performance.now();
    for (const { pace, report } of this.running.keys()) pace.observe(nowMs, report.bytes);
    const other = pool.choose(this.running.size, nowMs)?.bytesPerSecond;
    for (const { pace, span, ending } of this.running.keys()) {
      const restBytes =
        Math.min(span.end * pieceBytes, sink.pieces.totalBytes) - span.next * pieceBytes;
      if (!pace.isWorthReplacing(restBytes, other)) continue;
      ending.abort(tooSlow);
      return;
    }
  }

  /** Fetches one span; a failure of the network is the mirror's, all others are thrown. */
  private async fetch({ mirror, span, report, ending }: RunningRequest): Promise<void> {
    const { pool, sink, onPiece } = this.options;
    const place = pool.mirrors.indexOf(mirror);
    const startedMs = performance.now();
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
      const batching = () => batchingOf(Math.max(1, this.running.size));
      await fetchSpan(mirror, span, ownSink, batching, report, ending.signal);
    } catch (error) {
      if (ending.signal.aborted && !MobillmError.is(error, 'IO_FAILED')) return;
      const failure = toFailure(error, mirror);
      if (failure.code === 'IO_FAILED') throw failure;
      pool.failed(mirror, failure, report.gained, performance.now());
    } finally {
      const seconds = (performance.now() - startedMs) / 1000;
      if (report.gained) mirror.measure(report.bytes, seconds);
      // As long as nothing is known of its speed, it would be tried again.
      else if (ending.signal.reason === tooSlow) mirror.measure(report.bytes + 1, seconds);
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

  /** Waits for so many milliseconds, or until something changes. */
  private async sleep(ms: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }
}

/**
 * What a connection may have on its way: with few of them it fills as much as it writes; with many, what the
 * streams hold has to do meanwhile. What is left of the mebibyte may wait for the journal.
 */
function batchingOf(connections: number): Batching {
  const share = unrecordedPieces / connections - streamedPieces;
  const fillsMeanwhile = share >= 2;
  const pieces = Math.max(1, Math.floor(share / (fillsMeanwhile ? 2 : 1)));
  const used = connections * (streamedPieces + pieces * (fillsMeanwhile ? 2 : 1));
  return { pieces, fillsMeanwhile, unrecorded: Math.max(0, unrecordedPieces - used) };
}

function requestPieces({ bytesPerSecond = 0 }: Mirror): number {
  const pieces = Math.ceil((bytesPerSecond * secondsARequest) / pieceBytes);
  return Math.min(Math.max(pieces, smallestRequest), largestRequest);
}
