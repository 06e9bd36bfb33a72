import { open, stat } from 'node:fs/promises';
import {
  type ByteSource,
  ggufLineage,
  ggufWeightsFile,
  type GgufVocabulary,
  type KvLineage,
  type LlamaParameters,
  MobillmError,
  type ModelFiles,
  readGgufVocabulary,
  readLlamaParameters,
  validateGgufFile,
} from '@mobillm/core';

/** The model to compile, as far as it is read before its weights are. */
export interface CompileSource {
  /** Path of the GGUF file. */
  readonly path: string;
  readonly lineage: KvLineage;
  readonly parameters: LlamaParameters;
  readonly vocabulary: GgufVocabulary;
  /** Tells this state of the file from any later one. */
  readonly stamp: string;
}

/**
 * Reads and checks everything of a GGUF file but its weights, whose checksum is taken unless a store has
 * recorded it.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`, `MODEL_INVALID`; `MODEL_UNSUPPORTED` for anything
 * but a plain Llama model in GGUF.
 */
export async function readSource(
  files: ModelFiles | string,
  signal: AbortSignal | undefined,
): Promise<CompileSource> {
  const { path, sha256 } = ggufWeightsFile(files);
  const options = signal === undefined ? {} : { signal };
  const stamp = await stampOf(path);
  const layout = await validateGgufFile(path, options);
  const parameters = readLlamaParameters(layout);
  const bytes = await openFile(path);
  let vocabulary: GgufVocabulary;
  try {
    vocabulary = await readGgufVocabulary(bytes, layout, options);
  } finally {
    await bytes.close();
  }
  const lineage = await ggufLineage(path, { ...options, ...(sha256 !== undefined && { sha256 }) });
  return { path, lineage, parameters, vocabulary, stamp };
}

/**
 * Makes sure that what was read after {@link readSource} are the weights that the lineage names.
 *
 * @throws MobillmError `INTEGRITY_FAILED` when the file was changed since.
 */
export async function requireUnchanged({ path, stamp }: CompileSource): Promise<void> {
  if ((await stampOf(path)) === stamp) return;
  throw new MobillmError(
    'INTEGRITY_FAILED',
    `The file ${path} was changed while it was compiled. Compile it again when it is complete.`,
    { details: { path } },
  );
}

/** A file that is missing has a stamp as well: reading it tells what is wrong. */
function stampOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(' '),
    () => 'missing',
  );
}

async function openFile(path: string): Promise<ByteSource> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return {
    byteLength: size,
    async read(offset, length) {
      const bytes = new Uint8Array(Math.min(length, Math.max(0, size - offset)));
      const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, offset);
      return bytes.subarray(0, bytesRead);
    },
    close: () => file.close(),
  };
}
