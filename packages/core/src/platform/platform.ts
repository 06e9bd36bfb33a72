/**
 * What core asks of the system it runs on. Chosen by export conditions: Node has a full one, a
 * browser and React Native a portable one that knows what the standard globals know.
 */
export interface Platform {
  /** `linux`, `android`, `darwin`, `win32`, `browser`, `react-native` … */
  readonly os: string;
  /** Processor architecture: `x64`, `arm64`; empty where it cannot be known. */
  readonly arch: string;
  /** Reads a small text file; `undefined` when it is missing or may not be read. */
  readTextFile(path: string): Promise<string | undefined>;
  /** Names in a folder; empty when it is missing or may not be read. */
  listFolder(path: string): Promise<readonly string[]>;
  /** Runs a program of the system and returns its standard output; `undefined` when it fails. */
  runCommand(command: string, args: readonly string[]): Promise<string | undefined>;
  /** What the processor calls itself; `undefined` where it cannot be known. */
  cpuModel(): string | undefined;
  /** Threads that this process may run at once; at least 1. */
  availableParallelism(): number;
  /** Memory of the machine in bytes; `undefined` where it cannot be known. */
  totalMemoryBytes(): number | undefined;
  /** Memory free now in bytes; `undefined` where it cannot be known. */
  freeMemoryBytes(): number | undefined;
  /** Opens a file for random reads. Rejects with the system's own error; a folder is `EISDIR`. */
  openFile(path: string): Promise<ByteSource>;
  /**
   * What tells a file from all others, and from what it was before it was last written to; `undefined` where
   * there is none, or the platform does not know.
   */
  fileState(path: string): Promise<FileState | undefined>;
  /** Folder for what can be found again, of all programs that use this; `undefined` where there is none. */
  cacheFolder(): string | undefined;
  /** Makes a folder, and those that it lies in. Rejects with the system's own error. */
  makeFolder(path: string): Promise<void>;
  /**
   * Writes a file that is either there in full or not at all: beside it first, and under its name when
   * everything lies on the disk. For the user's eyes alone. Replaces a file of that name, and nothing
   * else. Rejects with the system's own error, or with what the pieces reject with; nothing is left
   * behind then.
   */
  writeFileAtomically(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * Starts a sha256.
   *
   * @throws MobillmError `UNSUPPORTED` where the platform has none that takes its input in pieces.
   */
  createSha256(): Sha256;
}

/** See {@link Platform.fileState}. */
export interface FileState {
  /** Disk, place on it, size and times of the last changes. */
  readonly identity: string;
  /** When its content, name or rights were last changed, in milliseconds since 1970. */
  readonly changedAtMs: number;
}

/** A sha256 in the making. */
export interface Sha256 {
  /** Takes the next bytes; works through them at once. */
  update(bytes: Uint8Array): void;
  /** The hash of all bytes so far in lower-case hexadecimal; ends it. */
  digest(): string;
}

/** Something whose bytes can be read in any order: a file, a blob, a range-capable URL. */
export interface ByteSource {
  /** Size in bytes. */
  readonly byteLength: number;
  /** Reads up to `length` bytes from `offset`; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Frees what is behind it; may be called twice. */
  close(): Promise<void>;
}
