// Pulls a model until it is there or the process is killed: `pull-worker.mjs <directory> <reference> <file>`.
// Keeps in the file what has been read from the network, so that whoever killed it knows: for each request the first
// and the last byte that were asked for, and the bytes of the body that came.
import { openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createModelStore } from '../../dist/index.js';

const [, , directory, reference, log] = process.argv;
const file = openSync(log, 'w');
const { push, write } = Socket.prototype;
/** The request that a socket is at, and its number. */
const requests = new Map();
let count = 0;

Socket.prototype.write = function (chunk, ...rest) {
  const range = /^range: bytes=(\d+)-(\d+)\r$/m.exec(String(chunk));
  if (range !== null) {
    requests.set(this, { number: count++, row: Float64Array.from([range[1], range[2], 0]) });
  }
  return write.call(this, chunk, ...rest);
};
Socket.prototype.push = function (chunk, ...rest) {
  const request = requests.get(this);
  if (chunk !== null && request !== undefined) {
    const head = request.row[2] === 0 ? chunk.indexOf('\r\n\r\n') + 4 : 0;
    request.row[2] += chunk.byteLength - head;
    writeSync(file, request.row, 0, 24, 24 * request.number);
  }
  return push.call(this, chunk, ...rest);
};

const store = createModelStore({ directory });
process.stdout.write('pulling');
await store.pull(reference);
await store.close();
