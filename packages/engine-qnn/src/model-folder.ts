import {
  fileBytes,
  MobillmError,
  type ModelFiles,
  parseJsonObject,
  parseQnnManifest,
  type QnnManifest,
  qnnManifestFileName,
  readModelFile,
} from '@mobillm/core';
import { folderOf, joinPath } from './paths.js';

/** Names of the files beside the manifest. */
export const tokenizerFileName = 'tokenizer.json';
/** As {@link tokenizerFileName}. */
export const tokenizerConfigFileName = 'tokenizer_config.json';

const largestManifestBytes = 2 ** 20;

/** A compiled model on disk: what its manifest says, and where its files are. */
export interface ModelFolder {
  /** Path of the manifest. */
  readonly manifestPath: string;
  /** What it says, checked. */
  readonly manifest: QnnManifest;
  /** Path of the context binary, whose size is the manifest's. */
  readonly binaryPath: string;
  /** Path of the tokenizer. */
  readonly tokenizerPath: string;
  /** Path of the tokenizer's configuration. */
  readonly tokenizerConfigPath: string;
}

/**
 * Reads the manifest of a compiled model and looks at the sizes of its files.
 *
 * @param files names the manifest, or the folder that it lies in, by the first file of role `weights`
 * @throws MobillmError `FILE_NOT_FOUND`, `IO_FAILED`; `MODEL_INVALID`, `MODEL_UNSUPPORTED` for the
 * manifest; `INTEGRITY_FAILED` where a file has another size than the manifest says.
 */
export async function readModelFolder(
  files: ModelFiles,
  signal?: AbortSignal,
): Promise<ModelFolder> {
  const manifestPath = manifestPathOf(files);
  const bytes = await readModelFile(manifestPath, {
    maxBytes: largestManifestBytes,
    ...(signal && { signal }),
  });
  const manifest = parseQnnManifest(decodeText(bytes, manifestPath), manifestPath);
  const folder = folderOf(manifestPath);
  const [binary] = manifest.binaries;
  const binaryPath = joinPath(folder, binary.file);
  const actualBytes = await fileBytes(binaryPath);
  if (actualBytes !== binary.bytes) {
    throw new MobillmError(
      'INTEGRITY_FAILED',
      `The context binary ${binaryPath} has ${actualBytes} bytes where its manifest says ${binary.bytes}: it was cut off or replaced. Fetch the model again, or compile it again.`,
      { details: { path: binaryPath, actualBytes, expectedBytes: binary.bytes } },
    );
  }
  return {
    manifestPath,
    manifest,
    binaryPath,
    tokenizerPath: joinPath(folder, tokenizerFileName),
    tokenizerConfigPath: joinPath(folder, tokenizerConfigFileName),
  };
}

/** Reads a JSON object of the model's folder, of at most that many bytes. */
export async function readJsonObject(
  path: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  return parseJsonObject(await readModelFile(path, { maxBytes, ...(signal && { signal }) }), path);
}

/** The folder may be named as well as the manifest in it. */
function manifestPathOf(files: ModelFiles): string {
  const weights = files.files.find((file) => file.role === 'weights');
  if (weights === undefined) {
    throw new MobillmError(
      'MODEL_INVALID',
      `The model has no file of the role "weights", which has to be its ${qnnManifestFileName}. Add it again.`,
      { details: { name: files.name } },
    );
  }
  const { path } = weights;
  return path.endsWith('.json') ? path : joinPath(path, qnnManifestFileName);
}

function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new MobillmError(
      'MODEL_INVALID',
      `The file ${path} is no UTF-8 text. Compile the model again, or fetch it again.`,
      { details: { path }, cause: error },
    );
  }
}
