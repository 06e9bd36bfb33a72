import type { ByteSource } from '@mobillm/core';

/** What the engine asks of the machine: where libraries may lie, and how a compiled model is written. */
export interface System {
  /** `linux`, `android`, `win32`, `darwin`, `react-native`, `browser`. */
  readonly os: string;
  /** Processor architecture: `x64`, `arm64`; empty where it cannot be known. */
  readonly arch: string;
  /** The user's home folder; empty where there is none. */
  readonly homeFolder: string;
  /** Where files can be written; `undefined` where the platform has no file system of its own. */
  readonly files?: FileAccess;
  /** An environment variable; `undefined` where it is not set or empty. */
  environment(name: string): string | undefined;
  /** Whether there is a file at a path. */
  isFile(path: string): Promise<boolean>;
  /** Names in a folder; empty when it is missing or may not be read. */
  listFolder(path: string): Promise<readonly string[]>;
}

/** The few things that compiling takes: reading a large file, writing a folder atomically. Each rejects with the system's own error. */
export interface FileAccess {
  /** Opens a file for random reads. */
  open(path: string): Promise<ByteSource>;
  /** Makes a folder and those above it. Gives `true` where it was not there before. */
  makeFolder(path: string): Promise<boolean>;
  /** Makes a new folder whose name begins with `prefix`, and gives its path. */
  makeTemporaryFolder(prefix: string): Promise<string>;
  /** Writes a small text file and sees to it that it is on the disk. */
  writeText(path: string, text: string): Promise<void>;
  /** Moves a file over another one, which goes in the same instant. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all that is in it; nothing happens where there is none. */
  remove(path: string): Promise<void>;
  /** Removes a folder that is empty; one that is not stays. */
  removeIfEmpty(path: string): Promise<void>;
  /** Lower-case hexadecimal sha256 of a file's content; rejects with the signal's reason. */
  sha256(path: string, signal?: AbortSignal): Promise<string>;
  /** Tells this state of a file from any later one; one that is missing has a stamp as well. */
  stamp(path: string): Promise<string>;
  /** Milliseconds since a file or folder was changed; `undefined` where there is none. */
  ageMs(path: string): Promise<number | undefined>;
}
