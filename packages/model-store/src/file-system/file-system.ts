import type { ByteSource } from '@mobillm/core';

/** What a file system tells of a path. */
export interface FileFacts {
  /** What it is; links are followed. */
  readonly kind: 'file' | 'folder' | 'other';
  /** Size in bytes. */
  readonly fileBytes: number;
  /** Time of the last change to its content, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /**
   * The same for all names of one file, and for no other file of this device. Left out where the system
   * does not tell; then each name counts as a file of its own.
   */
  readonly fileId?: string;
}

/** A file that is being written. */
export interface FileWriter {
  /** Appends all bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Settles once what was written survives a power cut. */
  sync(): Promise<void>;
  /** Closes it; may be called twice. */
  close(): Promise<void>;
}

/** A file that is written to anywhere in it, and read meanwhile. */
export interface FileUpdater extends ByteSource {
  /** Writes all bytes, one array after the other, from an offset on. */
  write(parts: readonly Uint8Array[], offset: number): Promise<void>;
  /** Settles once what was written survives a power cut. */
  sync(): Promise<void>;
}

/** A sha256, or another sum, in the making. */
export interface Sha256 {
  /** Takes in more bytes. */
  update(bytes: Uint8Array): void;
  /** The result in lower-case hexadecimal; nothing may follow. */
  digest(): string;
}

/** Bytes of a block that {@link FileHash.take} compares. */
export const hashBlockBytes = 2 ** 16;

/** What {@link FileHash.take} has taken in. */
export interface TakenBytes {
  /** Bytes that follow those before: fewer than asked for where the file ends, or a block differs. */
  readonly takenBytes: number;
  /** Whether the file has no more bytes. */
  readonly isAtEnd: boolean;
}

/** The sha256 of a file, computed from its beginning on, also while it is being written. */
export interface FileHash {
  /**
   * Takes in the next `length` bytes. `checksums` has the CRC-32 of each block of 65,536 of them, or
   * `undefined` for a block that is not compared; the first block that differs is not taken in, and
   * nothing behind it. One call at a time.
   */
  take(length: number, checksums?: readonly (number | undefined)[]): Promise<TakenBytes>;
  /** The sha256 of what was taken in, in lower-case hexadecimal; nothing may follow. */
  digest(): Promise<string>;
  /** Closes the file; may be called twice. */
  close(): Promise<void>;
}

/**
 * What the store asks of a file system. Node has one; in React Native the application makes one over
 * the file module that it uses. Paths are absolute and joined by `/`. Calls reject with the system's
 * own error, whose `code` is its name (`ENOENT`, `ENOSPC`), unless a member says otherwise.
 */
export interface FileSystem {
  /** Folder of the store when the application names none; `undefined` if it has to name one. */
  defaultDirectory(): string | undefined;
  /** Settings of the user for this and other programs (`HF_TOKEN`, `OLLAMA_MODELS`), by name. */
  environment(): Readonly<Record<string, string | undefined>>;
  /** Makes a path absolute. */
  resolvePath(path: string): string;
  /** The path of a file after all symbolic links. */
  realPath(path: string): Promise<string>;
  /** Facts of a path; `undefined` when nothing is there. */
  stat(path: string): Promise<FileFacts | undefined>;
  /** Names in a folder; none when it is missing. */
  listFolder(path: string): Promise<readonly string[]>;
  /** Makes a folder and those above it; it may be there already. */
  makeFolder(path: string): Promise<void>;
  /** Opens a file for reading, and nothing but a file: `EISDIR` for a folder, `ENXIO` for a pipe or device. */
  open(path: string): Promise<ByteSource>;
  /** Makes a new file for writing; `EEXIST` when something is there. */
  create(path: string): Promise<FileWriter>;
  /**
   * Opens a file for reading and writing anywhere, made where it is missing, and gives it a length in
   * bytes: what is beyond is cut off, and what is added is zeros. Its `byteLength` is that before.
   */
  update(path: string, length: number): Promise<FileUpdater>;
  /** Bytes that this process may still write to the disk of a folder; `undefined` if nobody knows. */
  freeBytes(path: string): Promise<number | undefined>;
  /** Renames a file or folder in one step, replacing a file or an empty folder. */
  rename(from: string, to: string): Promise<void>;
  /**
   * Gives a file a second name without copying it; `EEXIST` when something is there. A file system
   * that cannot (FAT, another disk) rejects with `EXDEV`, `EPERM`, `EMLINK` or `ENOTSUP`, and the
   * store copies instead.
   */
  link(from: string, to: string): Promise<void>;
  /**
   * Makes a symbolic link with this text in it; `EEXIST` when something is there. Left out where there are
   * none: the file itself is put there instead.
   */
  symlink?(target: string, path: string): Promise<void>;
  /** Deletes a file; it may be missing. */
  remove(path: string): Promise<void>;
  /** Deletes a folder if it is empty; `ENOTEMPTY` or `EEXIST` otherwise, and it may be missing. */
  removeFolder(path: string): Promise<void>;
  /** Makes the names in a folder survive a power cut, where the system has such a call. */
  syncFolder(path: string): Promise<void>;
  /** The CRC-32 of bytes, as zlib computes it; `before` is that of what came before them. */
  crc32(bytes: Uint8Array, before?: number): number;
  /** Starts a sha256. */
  createSha256(): Sha256;
  /**
   * Opens a file to compute its sha256 beside what the calling thread does. What is written to the
   * file meanwhile must be seen. Without this member the store reads the file and hashes it itself, which
   * takes the thread for some milliseconds at a time.
   */
  hashFile?(path: string): Promise<FileHash>;
  /**
   * Starts an md5, by which MLC's folders tell whether they are whole. May be left out where the system has none:
   * their files are then told apart by sizes and the recorded sha256 alone.
   */
  createMd5?(): Sha256;
  /**
   * A name of this process that no other process has, now or after a restart: up to 100 letters,
   * digits, `.`, `-` and `_`. Locks and temporary files carry it.
   */
  processName(): string;
  /**
   * Whether the process of that name is running; `undefined` when it cannot be known, as of a process
   * on another machine. Such a process is taken for ended when its lock has not changed for a while.
   */
  isProcessAlive(processName: string): boolean | undefined;
}
