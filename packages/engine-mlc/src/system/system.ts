/** What the engine asks of the machine to find the runtime's libraries. */
export interface System {
  /** `linux`, `android`, `win32`, `darwin`, `react-native`, `browser`. */
  readonly os: string;
  /** Processor architecture: `x64`, `arm64`; empty where it cannot be known. */
  readonly arch: string;
  /** The user's home folder; empty where there is none. */
  readonly homeFolder: string;
  /** An environment variable; `undefined` where it is not set or empty. */
  environment(name: string): string | undefined;
  /** Whether there is a file at a path. */
  isFile(path: string): Promise<boolean>;
  /** Names in a folder; empty when it is missing or may not be read. */
  listFolder(path: string): Promise<readonly string[]>;
}
