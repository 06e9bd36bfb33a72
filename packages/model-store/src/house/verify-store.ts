import { MobillmError } from '@mobillm/core';
import type { Manifest } from '../manifest/manifest.js';
import { ProgressReporter } from '../progress.js';
import type { StoreContext } from '../store-context.js';
import type { StoreVerifyReport } from './house-types.js';
import { repairModel, type Repair } from './repair-model.js';
import { verifyModel, type KnownSums } from './verify-model.js';

/**
 * Verifies all models, one after the other; one that cannot be looked at does not keep the others from it.
 * Content that several models have is read once.
 */
export async function verifyStore(
  context: StoreContext,
  repair: Repair | false,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<StoreVerifyReport> {
  const states = await context.manifests.readAll();
  const sound = states.flatMap((found) => (found.state === 'sound' ? [found.manifest] : []));
  const totalBytes = sound.reduce((sum, model) => sum + bytesOf(model), 0);
  let doneBytes = 0;
  const known: KnownSums = new Map();
  const rows: StoreVerifyReport['models'][number][] = [];
  for (const model of sound.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const before = doneBytes;
    const own = new ProgressReporter((one) =>
      progress.advance({ ...one, doneBytes: before + one.doneBytes, totalBytes }),
    );
    rows.push(await verifyOne(context, repair, model, { progress: own, known }, signal));
    doneBytes += bytesOf(model);
  }
  progress.finish({ phase: 'hashing', doneBytes: totalBytes, totalBytes });
  for (const found of states) {
    if (found.state === 'damaged') rows.push({ name: recordOf(found.error), error: found.error });
  }
  return { ok: rows.every(({ report }) => report?.ok === true), models: rows };
}

async function verifyOne(
  context: StoreContext,
  repair: Repair | false,
  model: Manifest,
  { progress, known }: { readonly progress: ProgressReporter; readonly known: KnownSums },
  signal: AbortSignal,
): Promise<StoreVerifyReport['models'][number]> {
  const { name } = model;
  try {
    const report = await verifyModel(context, model, progress, signal, known);
    const isMended = !report.ok && repair !== false;
    return { name, report: isMended ? await repairModel(repair, model, report) : report };
  } catch (error) {
    signal.throwIfAborted();
    if (MobillmError.is(error)) return { name, error };
    throw error;
  }
}

function bytesOf({ files }: Manifest): number {
  return files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
}

function recordOf({ details }: MobillmError): string {
  const { path } = details;
  return typeof path === 'string' ? path : '';
}
