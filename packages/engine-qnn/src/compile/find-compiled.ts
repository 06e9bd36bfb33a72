import {
  MobillmError,
  type ModelFiles,
  type QnnManifest,
  qnnManifestFileName,
} from '@mobillm/core';
import type { NativeTarget } from '../addon.js';
import { type ModelFolder, readJsonObject, readModelFolder } from '../model-folder.js';
import { joinPath } from '../paths.js';
import type { FileAccess } from '../system/system.js';
import { type CompileJob, graphsOf } from './compile-model.js';
import { compiledFiles } from './compiled-files.js';

const largestTokenizerBytes = 2 ** 27;

/**
 * What an earlier compilation of the same source, with the same options and library, left in the
 * folder; `undefined` where there is none, or where any of it is no longer as it was written.
 *
 * @throws the signal's reason; no other failure: what cannot be read is compiled again.
 */
export async function findCompiled(
  job: CompileJob,
  files: FileAccess,
): Promise<ModelFiles | undefined> {
  const path = joinPath(job.folder, qnnManifestFileName);
  try {
    const former = await readModelFolder(
      { format: 'qnn-context', files: [{ path, role: 'weights' }] },
      job.signal,
    );
    if (!isOf(job, former.manifest) || !(await isWhole(former, files, job.signal)))
      return undefined;
    return compiledFiles(job.folder, former.manifest);
  } catch (error) {
    job.signal.throwIfAborted();
    if (MobillmError.is(error)) return undefined;
    throw error;
  }
}

function isOf({ source, options, libraries }: CompileJob, manifest: QnnManifest): boolean {
  const { madeWith } = manifest;
  return (
    sameJson(manifest.derivedFrom, source.lineage) &&
    sameJson(manifest.parameters, source.parameters) &&
    sameJson(manifest.graphs, graphsOf(options)) &&
    manifest.contextTokens === options.contextTokens &&
    manifest.sharedWeights === options.shareWeights &&
    madeWith.buildId === libraries.facts.buildId &&
    isForChip(madeWith, options.socModel, libraries.facts.devices[0])
  );
}

/** A binary that was left to the library's own choice does not say which chip that was, and has 0. */
function isForChip(
  made: NativeTarget,
  asked: number | undefined,
  own: NativeTarget | undefined,
): boolean {
  if (asked !== undefined) return made.socModel === asked;
  const { socModel, htpArch } = own ?? { socModel: 0, htpArch: 0 };
  return made.htpArch === htpArch && (made.socModel === 0 || made.socModel === socModel);
}

async function isWhole(
  former: ModelFolder,
  files: FileAccess,
  signal: AbortSignal,
): Promise<boolean> {
  await readJsonObject(former.tokenizerPath, largestTokenizerBytes, signal);
  await readJsonObject(former.tokenizerConfigPath, largestTokenizerBytes, signal);
  const [binary] = former.manifest.binaries;
  return (await files.sha256(former.binaryPath, signal)) === binary.sha256;
}

/** Both are plain data whose fields come in one order. */
function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
