import type { FileSystem } from '../file-system/file-system.js';
import { hashBytes } from '../hash-files.js';
import type { HttpClient } from '../http/http-client.js';
import { readText } from '../read-text.js';
import type { SourceContext } from './source.js';

/** What sources are given, of a file system and a client. */
export function sourceContext(
  fs: FileSystem,
  client: HttpClient,
  signal: AbortSignal,
): SourceContext {
  return {
    client,
    environment: fs.environment(),
    readText: (path) => readText(fs, path),
    sha256: (bytes) => hashBytes(fs, bytes),
    signal,
  };
}
