import { baseName } from '../base-name.js';
import type { DescribedModel } from '../device-model-store.js';
import type { FileSystem } from '../file-system/file-system.js';
import type { FitOptions } from '../fit/choose-fitting.js';
import { inspectModel } from '../formats/inspect-model.js';
import { nameOfFile } from '../model-name.js';
import { ProgressReporter } from '../progress.js';
import type { ModelReference } from '../reference/model-reference.js';
import { formatReference } from '../reference/parse-reference.js';
import type { SourceContext } from '../sources/source.js';
import { describeRemote } from './describe-remote.js';
import { resolveRemote } from './resolve-remote.js';

/**
 * Tells what a reference means and what that model is, by its headers and configuration.
 *
 * @throws MobillmError as the sources and the checks of formats do; `OUT_OF_MEMORY` where `auto` finds nothing.
 */
export async function describeModel(
  fs: FileSystem,
  reference: ModelReference,
  context: SourceContext,
  fit: FitOptions | undefined,
): Promise<DescribedModel> {
  if (reference.source === 'file') return describeFile(fs, reference.path, context.signal);
  let fetchedBytes = 0;
  const counting = { ...context, onFetched: (bytes: number) => void (fetchedBytes += bytes) };
  const { model, choice } = await resolveRemote(reference, counting, fit);
  const description = await describeRemote(model, counting);
  const { name, format, origin } = model;
  return {
    name,
    format,
    description,
    files: model.files.map(({ addresses: _, sourcePath: __, ...file }) => file),
    origin,
    ...(choice !== undefined && { choice }),
    fetchedBytes,
  };
}

async function describeFile(
  fs: FileSystem,
  path: string,
  signal: AbortSignal,
): Promise<DescribedModel> {
  const resolved = fs.resolvePath(path);
  const silent = new ProgressReporter(undefined);
  const { format, files, description } = await inspectModel(fs, resolved, silent, signal);
  return {
    name: nameOfFile(resolved),
    format,
    description,
    files: files.map(({ fileName, path: file, role, fileBytes }) => ({
      fileName: fileName ?? baseName(file),
      role,
      fileBytes,
    })),
    origin: { reference: formatReference({ source: 'file', path: resolved }) },
    fetchedBytes: 0,
  };
}
