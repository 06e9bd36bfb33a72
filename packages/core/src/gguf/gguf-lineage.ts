import { platform } from '#platform';
import { abortSignal, optionsObject, string } from '../errors/check-options.js';
import { wrongValue } from '../errors/invalid-argument.js';
import { isSha256 } from '../kv/is-sha256.js';
import type { KvLineage } from '../kv/kv-snapshot.js';
import { withModelFile } from '../platform/model-file.js';
import { shrank } from '../platform/read-exactly.js';
import type { ByteSource } from '../platform/platform.js';
import { impossibleMetadata } from './gguf-errors.js';
import type { GgufLayout } from './gguf-layout.js';
import { HeaderReader } from './header-reader.js';
import { readMetadataEntry } from './read-metadata.js';
import { rememberedLineage } from './remember-lineage.js';
import { validateGguf } from './validate-gguf.js';

/** Options of {@link ggufLineage}. */
export interface GgufLineageOptions {
  /**
   * sha256 of the file in lower-case hexadecimal, where a store has recorded it. Without it the whole
   * file is read, one to four seconds a gigabyte; what was found is kept in `lineages.json` in
   * `$MOBILLM_CACHE_DIR`, or in `mobillm` below `$XDG_CACHE_HOME`, `~/.cache` or `%LOCALAPPDATA%`, and holds
   * as long as the file is not written to.
   */
  readonly sha256?: string;
  /** Stops reading; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const checkOptions = optionsObject({ sha256: string(), signal: abortSignal });
/** Bytes hashed at once: about a millisecond on a slow core. */
const chunkBytes = 512 * 1024;

/**
 * The lineage of the weights in a GGUF file of this device.
 *
 * @throws MobillmError `MODEL_INVALID` when the file is no sound GGUF or has no vocabulary;
 * `FILE_NOT_FOUND`, `IO_FAILED`; `UNSUPPORTED` where the platform has no files or no sha256.
 * @throws InvalidArgument for a `sha256` that is none.
 */
export async function ggufLineage(path: string, options?: GgufLineageOptions): Promise<KvLineage> {
  const { sha256, signal } = checkOptions(options, 'options');
  signal?.throwIfAborted();
  if (sha256 !== undefined && !isSha256(sha256)) {
    throw wrongValue('options.sha256', 'must be 64 lower-case hexadecimal digits');
  }
  const find = () => findLineage(path, sha256, signal);
  return sha256 === undefined ? rememberedLineage(path, find) : find();
}

function findLineage(
  path: string,
  sha256: string | undefined,
  signal: AbortSignal | undefined,
): Promise<KvLineage> {
  return withModelFile(path, async (source) => {
    const layout = await validateGguf(source, signal === undefined ? {} : { signal });
    const architecture = layout.metadata.get('general.architecture')?.value;
    if (typeof architecture !== 'string') {
      throw impossibleMetadata('general.architecture', 'is missing');
    }
    return {
      sourceSha256: sha256 ?? (await hashFile(source, path, signal)),
      architecture,
      vocabularySha256: await hashVocabulary(source, layout, signal),
    };
  });
}

/**
 * sha256 of a whole file in lower-case hexadecimal.
 *
 * @param path for the error where it shrinks meanwhile.
 * @throws MobillmError `IO_FAILED`; `UNSUPPORTED` where the platform has no sha256.
 */
export async function hashFile(
  source: ByteSource,
  path: string,
  signal: AbortSignal | undefined,
  onProgress?: (share: number) => void,
): Promise<string> {
  const hash = platform.createSha256();
  const size = source.byteLength;
  for (let offset = 0; offset < size;) {
    signal?.throwIfAborted();
    const chunk = await source.read(offset, Math.min(chunkBytes, size - offset));
    if (chunk.byteLength === 0) throw shrank(path, offset, size);
    hash.update(chunk);
    offset += chunk.byteLength;
    onProgress?.(offset / size);
  }
  signal?.throwIfAborted();
  return hash.digest();
}

/** Over the spellings as the file has them, each followed by a zero byte. */
async function hashVocabulary(
  source: ByteSource,
  layout: GgufLayout,
  signal: AbortSignal | undefined,
): Promise<string> {
  const entry = layout.metadata.get('tokenizer.ggml.tokens');
  if (entry?.elementType !== 'string') {
    throw impossibleMetadata('tokenizer.ggml.tokens', 'is missing, so there is no vocabulary');
  }
  const hash = platform.createSha256();
  // One update for thousands of short strings: a call each would take longer than the hashing.
  let pending = new Uint8Array(chunkBytes);
  let length = 0;
  const reader = new HeaderReader(source, signal);
  reader.position = entry.entryOffset;
  await readMetadataEntry(reader, () => (_index, buffer, start, bytes) => {
    if (length + bytes + 1 > pending.byteLength) {
      hash.update(pending.subarray(0, length));
      length = 0;
      if (bytes + 1 > pending.byteLength) pending = new Uint8Array(bytes + 1);
    }
    pending.set(buffer.subarray(start, start + bytes), length);
    pending[length + bytes] = 0;
    length += bytes + 1;
  });
  hash.update(pending.subarray(0, length));
  return hash.digest();
}
