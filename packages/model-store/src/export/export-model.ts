import { MobillmError } from '@mobillm/core';
import { checkInPlace } from '../files-in-place.js';
import type { Manifest } from '../manifest/manifest.js';
import { ProgressReporter } from '../progress.js';
import { knowHashes } from '../record-hashes.js';
import type { StoreContext } from '../store-context.js';
import type { ExportModelOptions, ExportReport } from './export-options.js';
import { exportToHubCache } from './export-to-hub-cache.js';
import { exportToOllama } from './export-to-ollama.js';

/** Makes a model appear in another app. */
export async function exportModel(
  context: StoreContext,
  app: 'ollama' | 'hugging-face',
  manifest: Manifest,
  options: ExportModelOptions,
  signal: AbortSignal,
): Promise<ExportReport> {
  if (app === 'ollama' && manifest.format !== 'gguf') {
    throw new MobillmError(
      'MODEL_UNSUPPORTED',
      `Ollama runs GGUF files, and the model "${manifest.name}" is kept as ${manifest.format}.`,
      { details: { name: manifest.name, format: manifest.format } },
    );
  }
  const progress = new ProgressReporter(options.onProgress);
  await checkInPlace(context, manifest);
  const known = await knowHashes(context, manifest, () => true, progress, signal);
  const files = known.flatMap((file) =>
    file.sha256 === undefined ? [] : [{ ...file, sha256: file.sha256 }],
  );
  const totalBytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let doneBytes = 0;
  const onBytes = (bytes: number) => {
    doneBytes += bytes;
    progress.advance({ phase: 'copying', doneBytes, totalBytes });
  };
  const report =
    app === 'ollama'
      ? await exportToOllama(context, manifest, files, options, onBytes, signal)
      : await exportToHubCache(context, manifest, files, options.folder, onBytes, signal);
  progress.finish({ phase: 'copying', doneBytes: totalBytes, totalBytes });
  return report;
}
