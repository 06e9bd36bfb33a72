import type { EngineDriver, ModelFiles } from '@mobillm/core';
import type { TeacherForcedSide } from '@mobillm/core/testing';
import { createLlamaCppDriver } from '@mobillm/engine-llamacpp';
import { afterEach } from 'vitest';
import { gguf } from './models.js';

const opened: { close?(): Promise<void> }[] = [];
afterEach(async () => {
  for (const item of opened.splice(0).reverse()) await item.close?.();
});

/** Closes something after the test, before what was opened earlier. */
export function closeLater<T extends { close?(): Promise<void> }>(item: T): T {
  opened.push(item);
  return item;
}

/** Opens a model on a driver for one test, to be compared with another. */
export async function openSide(
  driver: EngineDriver,
  files: ModelFiles,
  engineOptions: Readonly<Record<string, unknown>> = {},
): Promise<TeacherForcedSide> {
  closeLater(driver);
  const { trainedContextTokens } = await driver.inspect(files);
  const model = await driver.open(files, {
    contextTokens: Math.min(512, trainedContextTokens),
    sequences: 2,
    threads: 1,
    engineOptions,
  });
  return { model: closeLater(model), capabilities: driver.capabilities };
}

/** llama.cpp's options for a reference: nothing is rounded that need not be. */
export const exact = { keyType: 'f32', valueType: 'f32', flashAttention: 'off' } as const;

/** llama.cpp on a GGUF file, as the reference. */
export async function openReference(path: string): Promise<TeacherForcedSide> {
  return openSide(await createLlamaCppDriver(), gguf(path), exact);
}
