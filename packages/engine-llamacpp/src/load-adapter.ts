import {
  type AdapterDriver,
  type DriverAdapterOptions,
  hashFile,
  type LoraAdapterFile,
  type ModelFile,
  type ModelFiles,
  validateLoraAdapter,
  wrongValue,
} from '@mobillm/core';
import { callNative, fromNative, NativeAdapterDriver } from '@mobillm/core/native';
import { adapterBytes } from './adapter-memory.js';
import type { LlamaCppAddon, NativeModel, NativeModelFacts } from './addon.js';
import { byteSource, type ModelHeader } from './model-header.js';

/** What an adapter is loaded for. */
export interface AdapterBase {
  readonly addon: LlamaCppAddon;
  readonly native: NativeModel;
  readonly facts: Pick<NativeModelFacts, 'layersByDevice'>;
  readonly header: ModelHeader;
}

/**
 * Checks an adapter's file against its model, hashes it, and has the library load the very file that was
 * checked. See `ModelDriver.loadAdapter`.
 */
export async function loadAdapter(
  { addon, native, facts, header }: AdapterBase,
  files: ModelFiles,
  { signal, onProgress }: DriverAdapterOptions,
): Promise<AdapterDriver> {
  const { path, sha256: known } = adapterFile(files);
  const file = callNative(() => new addon.File(path));
  try {
    const source = byteSource(file);
    const adapter = await validateLoraAdapter(source, header, signal && { signal });
    // Most of the time goes by here, but for the last part.
    const onHashed = onProgress && ((share: number) => onProgress(0.9 * share));
    const sha256 = known ?? (await hashFile(source, path, signal, onHashed));
    signal?.throwIfAborted();
    const { byteLength: fileBytes, modifiedAt } = file;
    const checked = { path, fileBytes, modifiedAt, split: false };
    const needed = adapterBytes(adapter.pairs, facts.layersByDevice);
    const loaded = await callNative(() => native.loadAdapter(checked, needed)).catch(
      (error: unknown) => {
        throw fromNative(error);
      },
    );
    const { name, rank, alpha, pairs, weightBytes } = adapter;
    const matrixCount = pairs.length;
    const info = { name, sha256, rank, alpha, matrixCount, weightBytes };
    const driver = new NativeAdapterDriver(loaded, info);
    try {
      signal?.throwIfAborted();
      onProgress?.(1);
      return driver;
    } catch (error) {
      await driver.close();
      throw error;
    }
  } finally {
    file.close();
  }
}

/** Checks the header of an adapter's file against its model, without loading anything. */
export async function readAdapter(
  addon: LlamaCppAddon,
  files: ModelFiles,
  header: ModelHeader,
  signal: AbortSignal | undefined,
): Promise<LoraAdapterFile> {
  const { path } = adapterFile(files);
  const file = callNative(() => new addon.File(path));
  try {
    return await validateLoraAdapter(byteSource(file), header, signal && { signal });
  } finally {
    file.close();
  }
}

function adapterFile({ files }: ModelFiles): ModelFile {
  const named = files.find(({ role }) => role === 'adapter');
  if (named === undefined) {
    throw wrongValue('files.files', 'has no file of the role "adapter"');
  }
  return named;
}
