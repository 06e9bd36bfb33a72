import { pieceBytes } from '../download/piece-map.js';
import type { FileSystem } from '../file-system/file-system.js';
import type { StoreLayout } from '../layout.js';
import type { WorkFolder } from '../lock.js';

const schema = 1;

/**
 * Keeps the CRC-32 of each piece of a content that was downloaded, by its sha256, so that damage can be
 * mended piece by piece: four bytes for 64 KiB. A line of JSON that says of what, the checksums, and at
 * the end the CRC-32 of all that.
 */
export class ChecksumFolder {
  constructor(
    private readonly layout: StoreLayout,
    private readonly fs: FileSystem,
  ) {}

  /** Keeps the checksums of a content. */
  async write(
    sha256: string,
    fileBytes: number,
    checksums: Uint32Array,
    work: WorkFolder,
  ): Promise<void> {
    const { fs, layout } = this;
    const head = headOf(sha256, fileBytes);
    const bytes = new Uint8Array(head.byteLength + 4 * (checksums.length + 1));
    const view = new DataView(bytes.buffer);
    bytes.set(head);
    for (const [index, checksum] of checksums.entries()) {
      view.setUint32(head.byteLength + 4 * index, checksum, true);
    }
    const end = bytes.byteLength - 4;
    view.setUint32(end, fs.crc32(bytes.subarray(0, end)), true);
    const fresh = `${work.path}/checksums`;
    await fs.remove(fresh);
    const writer = await fs.create(fresh);
    try {
      await writer.write(bytes);
      await writer.sync();
    } finally {
      await writer.close();
    }
    await fs.makeFolder(layout.checksums);
    await fs.rename(fresh, this.pathOf(sha256));
  }

  /** The checksums of a content; `undefined` where none were kept, or they are damaged. */
  async read(sha256: string, fileBytes: number): Promise<Uint32Array | undefined> {
    const { fs } = this;
    const head = headOf(sha256, fileBytes);
    const count = Math.ceil(fileBytes / pieceBytes);
    const length = head.byteLength + 4 * (count + 1);
    try {
      const facts = await fs.stat(this.pathOf(sha256));
      if (facts?.kind !== 'file' || facts.fileBytes !== length) return undefined;
      const source = await fs.open(this.pathOf(sha256));
      try {
        const bytes = await source.read(0, length);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const isSound =
          bytes.byteLength === length &&
          head.every((byte, index) => bytes[index] === byte) &&
          view.getUint32(length - 4, true) === fs.crc32(bytes.subarray(0, length - 4));
        if (!isSound) return undefined;
        return Uint32Array.from({ length: count }, (_, index) =>
          view.getUint32(head.byteLength + 4 * index, true),
        );
      } finally {
        await source.close();
      }
    } catch {
      // They save a download, and nothing depends on them.
      return undefined;
    }
  }

  private pathOf(sha256: string): string {
    return `${this.layout.checksums}/${sha256}`;
  }
}

function headOf(sha256: string, fileBytes: number): Uint8Array {
  const line = `${JSON.stringify({ schema, sha256, fileBytes, pieceBytes })}\n`;
  return new TextEncoder().encode(line);
}
