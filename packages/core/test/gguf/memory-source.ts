import type { ByteSource } from '../../src/platform/platform.js';

/** A source over bytes that counts what is read, and fails when more is asked for than promised. */
export function memorySource(bytes: Uint8Array, byteLength = bytes.byteLength) {
  const reads: number[] = [];
  const source: ByteSource = {
    byteLength,
    read: (offset, length) => {
      reads.push(length);
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
    close: () => Promise.resolve(),
  };
  return { source, reads };
}
