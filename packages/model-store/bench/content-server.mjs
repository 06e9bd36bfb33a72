/**
 * Serves one large GGUF file from memory over HTTP/1.1, in a process of its own, so that what it costs is not
 * counted as the cost of a client: `content-server.mjs <bytes> <ranges|no-ranges>`. Prints a line of JSON with
 * its port and the sha256 of the file.
 *
 * It speaks as much of the Hugging Face hub's protocol as its clients need for the file `model.gguf` of the repository
 * `bench/model`, and gives the same file at `/model.gguf`.
 */

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { tinyLlamaGguf } from '@mobillm/core/testing';

const totalBytes = Number(process.argv[2]);
const givesRanges = process.argv[3] !== 'no-ranges';
const commit = 'c'.repeat(40);

// A small model, and behind its tensors a block that looks like none and comes again and again.
const block = randomBytes(8 * 2 ** 20);
const head = tinyLlamaGguf();

/** The bytes of the file from an offset on, as many as lie in one piece of memory. */
function bytesAt(offset, wanted) {
  const part =
    offset < head.byteLength ? head.subarray(offset) : block.subarray(offset % block.byteLength);
  return part.subarray(0, wanted);
}

function randomBytes(length) {
  const words = new Uint32Array(length / 4);
  let state = 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}

const hash = createHash('sha256');
for (let offset = 0; offset < totalBytes;) {
  const part = bytesAt(offset, totalBytes - offset);
  hash.update(part);
  offset += part.byteLength;
}
const sha256 = hash.digest('hex');

function rangeOf(header) {
  const match = givesRanges ? /^bytes=(\d+)-(\d*)$/.exec(header ?? '') : null;
  if (match === null) return undefined;
  const last = match[2] === '' ? totalBytes - 1 : Math.min(Number(match[2]), totalBytes - 1);
  return [Number(match[1]), last];
}

function sendFile(request, response, headers) {
  const range = rangeOf(request.headers.range);
  const [first, last] = range ?? [0, totalBytes - 1];
  response.writeHead(range === undefined ? 200 : 206, {
    etag: `"${sha256}"`,
    'content-type': 'application/octet-stream',
    'content-length': last + 1 - first,
    ...(givesRanges && { 'accept-ranges': 'bytes' }),
    ...(range !== undefined && { 'content-range': `bytes ${first}-${last}/${totalBytes}` }),
    ...headers,
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  let offset = first;
  const pump = () => {
    while (offset <= last && !response.destroyed) {
      const part = bytesAt(offset, Math.min(2 ** 20, last + 1 - offset));
      offset += part.byteLength;
      if (!response.write(part)) {
        response.once('drain', pump);
        return;
      }
    }
    response.end();
  };
  pump();
}

const file = {
  type: 'file',
  oid: 'a'.repeat(40),
  size: totalBytes,
  path: 'model.gguf',
  lfs: { oid: sha256, size: totalBytes, pointerSize: 134 },
};

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://server');
  const json = (value) => {
    const body = JSON.stringify(value);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  };
  if (pathname === '/model.gguf') sendFile(request, response, {});
  else if (pathname.startsWith('/api/models/bench/model/revision/')) json({ sha: commit });
  else if (pathname.startsWith('/api/models/bench/model/tree/')) json([file]);
  else if (pathname.startsWith('/api/models/bench/model/paths-info/')) json([file]);
  else if (pathname.startsWith('/bench/model/resolve/')) {
    sendFile(request, response, {
      'x-repo-commit': commit,
      'x-linked-size': totalBytes,
      'x-linked-etag': `"${sha256}"`,
    });
  } else {
    response.writeHead(404, { 'x-error-code': 'EntryNotFound' });
    response.end();
  }
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port, sha256 }));
});
// Whoever started it has gone.
process.stdin.resume().on('end', () => process.exit());
