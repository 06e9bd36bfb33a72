import { createServer, type Server, type Socket } from 'node:net';

/** Bytes of a command: its number, and the size of its content. */
const headBytes = 9;

/** What a server answers to a command, without its size; `undefined` says nothing. */
export type Answers = Readonly<Record<number, Buffer | undefined>>;

/** Little-endian numbers of 8 bytes. */
export function longs(...numbers: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * numbers.length);
  numbers.forEach((number, index) => bytes.writeBigUInt64LE(number, index * 8));
  return bytes;
}

/** A little-endian number of 4 bytes. */
export function int(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** A version with its capabilities. */
export function version(major: number, minor: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt8(major, 0);
  bytes.writeUInt8(minor, 1);
  return bytes;
}

/** As a sound server of one device answers: alignment, largest buffer, memory, version, count. */
export const soundAnswers: Answers = {
  1: longs(128n),
  2: longs(2n ** 40n),
  11: longs(2n ** 30n, 2n ** 34n),
  14: version(7, 0),
  15: int(1),
};

/** Servers on this machine that answer what a test says. */
export class FakeServers {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  /** Listens; `serve` has each connection. Resolves with `host:port`. */
  listen(serve: (socket: Socket) => void): Promise<{ host: string; port: number }> {
    return new Promise((resolve) => {
      const server = createServer((socket) => {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        serve(socket);
      }).listen(0, '127.0.0.1', () => {
        this.#servers.push(server);
        const address = server.address();
        resolve({
          host: '127.0.0.1',
          port: typeof address === 'object' && address ? address.port : 0,
        });
      });
    });
  }

  /** Speaks the protocol with other answers than the sound ones. */
  answering(answers: Answers): Promise<{ host: string; port: number }> {
    return this.listen((socket) => answer(socket, { ...soundAnswers, ...answers }));
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
  }
}

function answer(socket: Socket, answers: Answers): void {
  let received = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= headBytes) {
      const end = headBytes + Number(received.readBigUInt64LE(1));
      if (received.length < end) return;
      const said = answers[received.readUInt8(0)];
      received = received.subarray(end);
      if (said) socket.write(Buffer.concat([longs(BigInt(said.length)), said]));
    }
  });
}
