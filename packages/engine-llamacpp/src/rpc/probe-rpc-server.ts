import { MobillmError } from '@mobillm/core';
import { onAbort } from '@mobillm/core/native';
import { connect, type Socket } from 'node:net';
import type { RpcEndpoint } from './endpoint.js';

/** Version of the pinned library's protocol: its own major is required, and no later minor. */
const protocol = { major: 7, minor: 0 };

/** Commands of the protocol that the library begins with. */
const commands = {
  alignment: 1,
  maxSize: 2,
  deviceMemory: 11,
  hello: 14,
  deviceCount: 15,
} as const;

/** Bytes in which client and server say what their transports can do. */
const capabilityBytes = 24;

/** As many as the library can use at once, see GGML_SCHED_MAX_BACKENDS. */
const maxDevices = 16;

/** More memory than any machine has, in bytes: 1 PiB. */
const maxMemory = 2n ** 50n;

/** More than any device asks for, in bytes. */
const maxAlignment = 2n ** 30n;

/**
 * How long a server may take for a part of the conversation: to take the connection, to say its version, to
 * count its devices, to describe them. One that serves another client does not answer at all.
 */
const answerMs = 3000;

/** How a server is asked. */
export interface ProbeOptions {
  /** Ends the asking, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for each of four parts of the conversation. Default 3000. */
  readonly answerMs?: number;
}

/**
 * Has the conversation with a server that the library begins with, which would wait without end where
 * nothing is said, and end the process where what is said makes no sense.
 *
 * @throws MobillmError `UNSUPPORTED` for another version, and for what is no such server; `IO_FAILED` where
 * nothing answers; `BUSY` where something is connected to and says nothing.
 */
export async function probeRpcServer(
  { host, port }: RpcEndpoint,
  options: ProbeOptions = {},
): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  const conversation = new Conversation(host, port, options.answerMs ?? answerMs);
  const stopListening = onAbort(signal, () => conversation.end(signal?.reason as Error));
  try {
    await conversation.connected();
    const hello = await conversation.askOne([
      commands.hello,
      Buffer.alloc(capabilityBytes),
      4 + capabilityBytes,
    ]);
    const [major, minor] = [hello.readUInt8(0), hello.readUInt8(1)];
    if (major !== protocol.major || minor > protocol.minor) {
      throw conversation.otherVersion(major, minor);
    }
    const counted = await conversation.askOne([commands.deviceCount, Buffer.alloc(0), 4]);
    const count = counted.readUInt32LE(0);
    if (count < 1 || count > maxDevices) throw conversation.senseless(`${count} devices`);
    const answers = await conversation.ask(
      Array.from({ length: count }, (_, index) => deviceQuestions(index)).flat(),
    );
    for (let device = 0; device < count; device++) {
      const [memory, alignment, maxSize] = answers.slice(device * 3) as [Buffer, Buffer, Buffer];
      const wrong = senselessDevice(
        memory.readBigUInt64LE(0),
        memory.readBigUInt64LE(8),
        alignment.readBigUInt64LE(0),
        maxSize.readBigUInt64LE(0),
      );
      if (wrong !== undefined) throw conversation.senseless(`of device ${device} ${wrong}`);
    }
  } finally {
    stopListening();
    // The library's server takes one client after the other: the next one is heard when this one is gone.
    conversation.end();
  }
}

/** A command, what goes with it, and the bytes that have to be answered. */
type Question = readonly [command: number, content: Buffer, answerBytes: number];

function deviceQuestions(index: number): Question[] {
  const content = Buffer.alloc(4);
  content.writeUInt32LE(index);
  return [
    [commands.deviceMemory, content, 16],
    [commands.alignment, content, 8],
    [commands.maxSize, content, 8],
  ];
}

/** What makes no sense of a device, if anything does not. All in bytes. */
function senselessDevice(
  free: bigint,
  total: bigint,
  alignment: bigint,
  maxSize: bigint,
): string | undefined {
  if (total > maxMemory || free > total) return `${free} bytes free of ${total}`;
  const isPower = alignment > 0n && (alignment & (alignment - 1n)) === 0n;
  if (!isPower || alignment > maxAlignment) return `an alignment of ${alignment}`;
  if (maxSize === 0n) return 'buffers of 0 bytes';
  return undefined;
}

/** One connection, which never holds more bytes than the answers have that it waits for. */
class Conversation {
  readonly #endpoint: string;
  readonly #answerMs: number;
  readonly #socket: Socket;
  #isConnected = false;
  /** Bytes of the answers that are waited for, with their sizes; 0 where none is. */
  #awaited = 0;
  /** What the first answer has to say of its size. */
  #firstSize = 0n;
  #received = Buffer.alloc(0);
  #failure: { readonly error: Error } | undefined;
  #settle: ((failure?: { readonly error: Error }) => void) | undefined;

  constructor(host: string, port: number, answerMs: number) {
    this.#endpoint = `${host}:${port}`;
    this.#answerMs = answerMs;
    this.#socket = connect({ host, port, family: 4 });
    this.#socket.on('connect', () => {
      this.#isConnected = true;
      this.#settle?.();
    });
    this.#socket.on('data', (bytes) => this.#take(bytes));
    this.#socket.on('end', () => this.end(this.senseless('an end of the connection')));
    this.#socket.on('error', (error) => this.end(this.#unreached(error.message, error)));
  }

  connected(): Promise<void> {
    return this.#wait(() => this.#unreached('no connection came about in time'));
  }

  /** Asks one question. */
  async askOne(question: Question): Promise<Buffer> {
    const [answer = Buffer.alloc(0)] = await this.ask([question]);
    return answer;
  }

  /**
   * Asks questions at once, and waits for the answers of all of them.
   *
   * @returns the answers, without their sizes.
   */
  async ask(questions: readonly Question[]): Promise<Buffer[]> {
    const sizes = questions.map(([, , answerBytes]) => answerBytes);
    this.#received = Buffer.alloc(0);
    this.#awaited = sizes.reduce((sum, size) => sum + 8 + size, 0);
    this.#firstSize = BigInt(sizes[0] ?? 0);
    this.#socket.write(
      Buffer.concat(
        questions.map(([command, content]) => {
          const head = Buffer.alloc(1 + 8);
          head.writeUInt8(command, 0);
          head.writeBigUInt64LE(BigInt(content.length), 1);
          return Buffer.concat([head, content]);
        }),
      ),
    );
    await this.#wait(() => this.#silent());
    this.#awaited = 0;
    let offset = 0;
    return sizes.map((size) => {
      const said = this.#received.readBigUInt64LE(offset);
      if (said !== BigInt(size)) throw this.senseless(`${said} bytes in place of ${size}`);
      offset += 8 + size;
      return this.#received.subarray(offset - size, offset);
    });
  }

  /** Ends the connection, and what is waited for with an error; may be called twice. */
  end(error: Error = this.#unreached('the conversation was ended')): void {
    this.#failure ??= { error };
    this.#socket.destroy();
    this.#settle?.(this.#failure);
  }

  senseless(said: string): MobillmError {
    return this.#notOurs(`It answered with ${said}.`, {});
  }

  otherVersion(major: number, minor: number): MobillmError {
    return this.#notOurs(`It speaks ${major}.${minor}.`, { major, minor });
  }

  #take(bytes: Buffer): void {
    // Nobody of this protocol speaks unasked, or says more than what was asked for.
    if (this.#received.length + bytes.length > this.#awaited) {
      // A text is best told by how it begins.
      const begin = Buffer.concat([this.#received, bytes]).subarray(0, 16).toString('latin1');
      this.end(this.senseless(`more than was asked for, beginning ${JSON.stringify(begin)}`));
      return;
    }
    this.#received = Buffer.concat([this.#received, bytes]);
    const isOther =
      this.#received.length >= 8 && this.#received.readBigUInt64LE(0) !== this.#firstSize;
    if (isOther || this.#received.length === this.#awaited) this.#settle?.();
  }

  #wait(late: () => MobillmError): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.end(late()), this.#answerMs);
      this.#settle = (failure) => {
        clearTimeout(timer);
        this.#settle = undefined;
        if (failure) reject(failure.error);
        else resolve();
      };
      if (this.#failure) this.#settle(this.#failure);
    });
  }

  #silent(): MobillmError {
    const endpoint = this.#endpoint;
    if (this.#received.length > 0) return this.senseless('less than was asked for');
    return new MobillmError(
      'BUSY',
      `The RPC server at ${endpoint} takes connections and does not answer: it serves another client, of which it has one at a time, or it is none.`,
      { retryable: true, details: { endpoint } },
    );
  }

  #unreached(reason: string, cause?: Error): MobillmError {
    const endpoint = this.#endpoint;
    const message = this.#isConnected
      ? `The RPC server at ${endpoint} broke the connection: ${reason}. See what it says there, and start it anew.`
      : `No RPC server answers at ${endpoint}: ${reason}. Start one there (npx mobillm-rpc-server), and check address, port and firewall.`;
    return new MobillmError('IO_FAILED', message, {
      retryable: true,
      details: { endpoint, reason },
      cause,
    });
  }

  #notOurs(said: string, details: Readonly<Record<string, number>>): MobillmError {
    const endpoint = this.#endpoint;
    return new MobillmError(
      'UNSUPPORTED',
      `What answers at ${endpoint} is no RPC server of this version of llama.cpp, whose protocol is ${protocol.major}.${protocol.minor}. ${said} Check the port, and run the same version of @mobillm/engine-llamacpp on both machines.`,
      { details: { endpoint, ...details } },
    );
  }
}
