import { gguf } from '@huggingface/gguf';
import type { ByteSource, GgufLayout } from '@mobillm/core';

/** Entries of more bytes (vocabularies, merges) are not needed as values. */
const maxEntryBytes = 256 * 1024;

/** Metadata values by key. */
export type GgufValues = ReadonlyMap<string, unknown>;

/**
 * Reads the values of a header that has been validated, by `@huggingface/gguf`. The library is
 * served a header that holds the small entries alone: it would build a vocabulary of a hundred
 * thousand strings in one go, and reads its input in pieces whose edges it minds for arrays only.
 */
export async function readGgufValues(
  source: ByteSource,
  layout: GgufLayout,
  signal: AbortSignal,
): Promise<GgufValues> {
  const entries = [...layout.metadata.values()].filter(
    ({ key, entryOffset, endOffset }) =>
      endOffset - entryOffset <= maxEntryBytes && key !== '__proto__',
  );
  const pieces: Uint8Array[] = [preamble(layout.version, entries.length)];
  for (const { entryOffset, endOffset } of entries) {
    signal.throwIfAborted();
    pieces.push(await source.read(entryOffset, endOffset - entryOffset));
  }
  const header = concatenate(pieces);
  const serve = (_uri: unknown, init?: { readonly headers?: unknown }) => {
    const { Range: range = '' } = (init?.headers ?? {}) as { readonly Range?: string };
    const [, first = 0, last = 0] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
    return Promise.resolve(new Response(header.slice(first, last + 1)));
  };
  // The address is only a name: everything comes from `serve`.
  const { metadata } = await gguf('https://model.invalid/model.gguf', {
    fetch: serve,
  });
  return new Map(Object.entries(metadata));
}

/** Magic, version, no tensors, and a number of entries. */
function preamble(version: number, entryCount: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, 0x46554747, true);
  view.setUint32(4, version, true);
  view.setBigUint64(16, BigInt(entryCount), true);
  return new Uint8Array(view.buffer);
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let offset = 0;
  for (const piece of pieces) {
    result.set(piece, offset);
    offset += piece.byteLength;
  }
  return result;
}
