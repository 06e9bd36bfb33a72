import type * as Crypto from 'node:crypto';
import type * as Fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import type * as Threads from 'node:worker_threads';
import type * as Zlib from 'node:zlib';
import { hashBlockBytes, type FileHash, type TakenBytes } from './file-system.js';

/** What the thread is asked: to take in bytes, or for the sum of all. */
type Question =
  { readonly length: number; readonly checksums: readonly (number | undefined)[] } | 'digest';
type Answer =
  | { readonly result: TakenBytes | string }
  | { readonly error: { readonly message: string; readonly code?: string } };

/**
 * Hashes a file on a thread of its own, which reads it as well: nothing is copied from here to there. A
 * sha256 of Node is computed on the thread that asks for it, and takes it for seconds a gigabyte.
 */
export async function hashOnThread(path: string): Promise<FileHash> {
  const worker = new Worker(`(${hashInThread.toString()})(require)`, {
    eval: true,
    workerData: { path, blockBytes: hashBlockBytes },
    // It needs next to none: the buffer that it reads into lies outside of the heap.
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    execArgv: [],
    stdin: false,
    env: {},
  });
  let pending: { resolve: (value: unknown) => void; reject: (error: unknown) => void } | undefined;
  let failure: Error | undefined;
  const fail = (error: Error) => {
    failure ??= error;
    pending?.reject(failure);
    pending = undefined;
  };
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('the thread that hashes a file has ended')));
  worker.on('message', (answer: Answer) => {
    if ('error' in answer)
      pending?.reject(Object.assign(new Error(answer.error.message), answer.error));
    else pending?.resolve(answer.result);
    pending = undefined;
  });
  const ask = (question: Question | 'open') =>
    new Promise<unknown>((resolve, reject) => {
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      pending = { resolve, reject };
      worker.postMessage(question);
    });
  // Ending the thread closes the file that it has open.
  const close = async () => {
    failure ??= new Error('the hash was closed');
    await worker.terminate();
  };
  try {
    await ask('open');
  } catch (error) {
    await close();
    throw error;
  }
  return {
    take: (length, checksums = []) => ask({ length, checksums }) as Promise<TakenBytes>,
    digest: () => ask('digest') as Promise<string>,
    close,
  };
}

/**
 * The thread's program. It stands as a function so that it is checked, and goes over as its text, so that it
 * is found however the package is bundled: it must use nothing from outside itself.
 */
function hashInThread(load: NodeJS.Require): void {
  const { openSync, readSync } = load('node:fs') as typeof Fs;
  const { createHash } = load('node:crypto') as typeof Crypto;
  const { crc32 } = load('node:zlib') as typeof Zlib;
  const threads = load('node:worker_threads') as typeof Threads;
  const { parentPort } = threads;
  const { path, blockBytes } = threads.workerData as { path: string; blockBytes: number };
  const hash = createHash('sha256');
  const buffer = new Uint8Array(16 * blockBytes);
  let file: number | undefined;
  let position = 0;

  const take = (wanted: number, checksums: readonly (number | undefined)[]) => {
    let takenBytes = 0;
    while (takenBytes < wanted) {
      const length = Math.min(buffer.byteLength, wanted - takenBytes);
      let filled = 0;
      while (filled < length) {
        const read = readSync(file ?? -1, buffer, filled, length - filled, position + filled);
        if (read === 0) break;
        filled += read;
      }
      let sound = 0;
      while (sound < filled) {
        const block = buffer.subarray(sound, Math.min(sound + blockBytes, filled));
        const expected = checksums[(takenBytes + sound) / blockBytes];
        if (expected !== undefined && crc32(block) !== expected) break;
        sound += block.byteLength;
      }
      hash.update(buffer.subarray(0, sound));
      position += sound;
      takenBytes += sound;
      if (sound < filled) return { takenBytes, isAtEnd: false };
      if (filled < length) return { takenBytes, isAtEnd: true };
    }
    return { takenBytes, isAtEnd: false };
  };
  parentPort?.on('message', (question: Question | 'open') => {
    try {
      let result: unknown;
      if (question === 'open') file = openSync(path, 'r');
      else if (question === 'digest') result = hash.digest('hex');
      else result = take(question.length, question.checksums);
      parentPort.postMessage({ result });
    } catch (error) {
      // What goes over is a copy, which keeps of an error neither `code` nor what else the system says.
      const { message, code } = error as NodeJS.ErrnoException;
      parentPort.postMessage({ error: { message, code } });
    }
  });
}
