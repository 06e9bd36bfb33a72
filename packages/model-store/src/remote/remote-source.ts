import { formatBytes, MobillmError, type ByteSource } from '@mobillm/core';
import { sizeOf, toFailure, wrongSize } from '../download/learn-subject.js';
import { Mirror, type MirrorAddress } from '../download/mirror.js';
import { badAnswer, type Answer } from '../http/http-client.js';
import { pause } from '../pause.js';
import type { SourceContext } from '../sources/source.js';

/** The first request; enough for the settings of a model, and for most headers of safetensors. */
const firstBytes = 64 * 1024;
/** Later ones ask for as much as there is already, up to this. */
const mostAtOnceBytes = 2 * 2 ** 20;
/** Headers with the largest vocabularies have some 30 MB. */
const mostBytes = 64 * 2 ** 20;
/** Failures in a row, without a byte between them, that are waited out. */
const mostFailures = 4;

/**
 * Opens a file at an address to read its beginning: what is asked for is fetched by ranges that grow, and kept
 * until it is closed. At most 64 MiB are fetched, also of a server that answers with the whole file: its
 * answer is read as far as needed.
 *
 * @param fileBytes size of the file, where it is known
 * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`; `INTEGRITY_FAILED` for a file of another size.
 */
export async function openRemote(
  address: MirrorAddress,
  fileBytes: number | undefined,
  context: Pick<SourceContext, 'client' | 'onFetched' | 'signal'>,
): Promise<ByteSource> {
  const source = new RemoteSource(new Mirror(address, context.client), fileBytes, context);
  if (fileBytes === undefined) await source.fetch(1);
  return source;
}

type Body = AsyncIterator<Uint8Array>;

class RemoteSource implements ByteSource {
  private buffer = new Uint8Array(firstBytes);
  /** Bytes from the beginning of the file that are there. */
  private have = 0;
  /** The rest of an answer that is the whole file. */
  private whole: { readonly body: Body; readonly answer: Answer } | undefined;
  /** Reads follow each other, whoever asks. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly mirror: Mirror,
    private fileBytes: number | undefined,
    private readonly context: Pick<SourceContext, 'onFetched' | 'signal'>,
  ) {}

  get byteLength(): number {
    return this.fileBytes ?? this.have;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.byteLength);
    if (end > this.have) await this.fetch(end);
    return this.buffer.slice(Math.min(offset, end), end);
  }

  close(): Promise<void> {
    this.whole?.answer.cancel();
    this.whole = undefined;
    return Promise.resolve();
  }

  /** Makes the file be there up to `end`. */
  fetch(end: number): Promise<void> {
    const next = this.last.then(() => this.fetchTo(end));
    this.last = next.catch(() => undefined);
    return next;
  }

  private async fetchTo(end: number): Promise<void> {
    if (end > mostBytes) {
      throw new MobillmError(
        'MODEL_UNSUPPORTED',
        `The header of the file at ${this.mirror.host} is longer than the ${formatBytes(mostBytes)} that are read over the network. Pull the model instead.`,
        { details: { host: this.mirror.host, mostBytes } },
      );
    }
    const { signal } = this.context;
    let failures = 0;
    while (this.have < end) {
      const before = this.have;
      try {
        await (this.whole === undefined ? this.request(end) : this.readOn(this.whole, end));
      } catch (error) {
        signal.throwIfAborted();
        await this.close();
        const failure = toFailure(error, this.mirror);
        failures = this.have > before ? 1 : failures + 1;
        this.mirror.fail(failure, performance.now());
        if (this.mirror.dropped !== undefined || failures >= mostFailures) throw failure;
        await pause(this.mirror.notBeforeMs - performance.now(), signal);
      }
    }
  }

  /** Asks for the next range, and reads it, or begins to read the whole file that came instead. */
  private async request(end: number): Promise<void> {
    const wanted = Math.max(
      end,
      this.have + Math.min(Math.max(this.have, firstBytes), mostAtOnceBytes),
    );
    const last = Math.min(wanted, this.fileBytes ?? Infinity) - 1;
    const answer = await this.mirror.request(this.have, last, this.context.signal);
    try {
      this.checkAnswer(answer);
    } catch (error) {
      answer.cancel();
      throw error;
    }
    const body = answer.body[Symbol.asyncIterator]();
    if (answer.status === 200) {
      // What has come already comes again.
      this.have = 0;
      this.whole = { body, answer };
      return this.readOn(this.whole, end);
    }
    await this.take(body, answer, Math.min(last + 1, this.byteLength));
    // Ends what a server sends beyond; a connection whose answer is whole is used again.
    answer.cancel();
  }

  private checkAnswer(answer: Answer): void {
    const found = sizeOf(answer);
    if (answer.status === 206) {
      const first = /^bytes (\d+)-/.exec(answer.header('content-range') ?? '')?.[1];
      if (Number(first) !== this.have)
        throw badAnswer(answer.url, 'is another range than was asked for');
    }
    if (found === undefined) throw badAnswer(answer.url, 'does not say how long the file is');
    if (this.fileBytes !== undefined && found !== this.fileBytes) {
      throw wrongSize(this.mirror, found, this.fileBytes);
    }
    this.fileBytes = found;
  }

  private async readOn(
    { body, answer }: NonNullable<typeof this.whole>,
    end: number,
  ): Promise<void> {
    await this.take(body, answer, end);
    if (this.have >= this.byteLength) await this.close();
  }

  /** Takes in a body until `end`, which the file is to be there to. */
  private async take(body: Body, answer: Answer, end: number): Promise<void> {
    while (this.have < end) {
      const next = await body.next();
      if (next.done)
        throw new MobillmError('NETWORK_FAILED', `${this.mirror.host} broke off.`, {
          retryable: true,
        });
      this.context.onFetched?.(next.value.byteLength);
      this.append(next.value, answer);
    }
  }

  private append(part: Uint8Array, { status }: Answer): void {
    // What a server adds to a range is no part of the file; of a whole file it is what is read next.
    const most = status === 206 ? this.byteLength - this.have : part.byteLength;
    const taken = part.subarray(0, most);
    const needed = this.have + taken.byteLength;
    if (needed > this.buffer.byteLength) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.buffer.byteLength));
      grown.set(this.buffer.subarray(0, this.have));
      this.buffer = grown;
    }
    this.buffer.set(taken, this.have);
    this.have = needed;
  }
}
