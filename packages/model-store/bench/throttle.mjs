/**
 * A TCP proxy that makes a slow network of a fast one, in a process of its own: `throttle.mjs <target port> <round trip
 * ms> <bits a second of a connection> <bits a second in all>`. Prints its port.
 *
 * Either way takes half a round trip. What a connection gets, and all of them together, is measured out every
 * few milliseconds; a connection that has no room left is read no further, so that its server waits as it would.
 */

import { createServer, connect } from 'node:net';

const [targetPort, roundTripMs, bitsOfOne, bitsOfAll] = process.argv.slice(2).map(Number);
const tickMs = 5;
const delayMs = roundTripMs / 2;
/** What is on its way of one connection at most: as much as a round trip takes. */
const windowBytes = Math.max(2 ** 16, (bitsOfOne / 8) * (roundTripMs / 1000) * 2);
const connections = new Set();

/** One way of a connection: what was read from one end waits for its time, and for room. */
class Way {
  queue = [];
  queuedBytes = 0;
  isEnded = false;

  constructor(from, to, isMeasured) {
    Object.assign(this, { from, to, isMeasured });
    from.on('data', (bytes) => {
      this.queue.push({ bytes, atMs: performance.now() + delayMs });
      this.queuedBytes += bytes.byteLength;
      if (this.queuedBytes > windowBytes) from.pause();
    });
    from.on('end', () => (this.isEnded = true));
  }

  /** Sends what is due, `budget` bytes at most, and tells how many that were. */
  send(budget) {
    let sent = 0;
    while (this.queue.length > 0 && this.queue[0].atMs <= performance.now() && sent < budget) {
      const { bytes } = this.queue[0];
      const part = bytes.subarray(0, budget - sent);
      this.to.write(part);
      sent += part.byteLength;
      if (part.byteLength === bytes.byteLength) this.queue.shift();
      else this.queue[0].bytes = bytes.subarray(part.byteLength);
    }
    this.queuedBytes -= sent;
    if (this.queuedBytes <= windowBytes && this.from.isPaused()) this.from.resume();
    if (this.isEnded && this.queue.length === 0) this.to.end();
    return sent;
  }
}

const server = createServer({ noDelay: true }, (client) => {
  // A connection is there after one round trip.
  setTimeout(() => {
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    const connection = {
      credit: 0,
      up: new Way(client, target, false),
      down: new Way(target, client, true),
    };
    connections.add(connection);
    const end = () => {
      connections.delete(connection);
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) socket.on('error', end).on('close', end);
  }, delayMs);
});

let lastMs = performance.now();
let creditOfAll = 0;
setInterval(() => {
  const nowMs = performance.now();
  const seconds = (nowMs - lastMs) / 1000;
  lastMs = nowMs;
  const most = (bits) => (bits / 8) * Math.max(seconds, (4 * tickMs) / 1000);
  creditOfAll = Math.min(creditOfAll + (bitsOfAll / 8) * seconds, most(bitsOfAll));
  const rows = [...connections];
  // Nobody is always the first.
  rows.push(...rows.splice(0, Math.floor(Math.random() * rows.length)));
  for (const connection of rows) {
    connection.up.send(Infinity);
    connection.credit = Math.min(connection.credit + (bitsOfOne / 8) * seconds, most(bitsOfOne));
    const sent = connection.down.send(Math.floor(Math.min(connection.credit, creditOfAll)));
    connection.credit -= sent;
    creditOfAll -= sent;
  }
}, tickMs);

server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
// Whoever started it has gone.
process.stdin.resume().on('end', () => process.exit());
