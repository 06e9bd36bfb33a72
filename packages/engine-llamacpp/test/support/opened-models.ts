import type { DriverOpenOptions, EngineDriver, ModelDriver } from '@mobillm/core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { createLlamaCppDriver, type LlamaCppOpenOptions } from '../../src/index.js';
import { filesOf } from './models.js';

/** Opens models on one driver for the tests of a file; each is closed after its test. */
export function modelOpener(
  defaults: Pick<DriverOpenOptions, 'contextTokens' | 'sequences'>,
): (
  path: string,
  engineOptions?: LlamaCppOpenOptions,
  own?: Partial<typeof defaults>,
) => Promise<ModelDriver> {
  let driver: EngineDriver;
  const open: ModelDriver[] = [];
  beforeAll(async () => {
    driver = await createLlamaCppDriver();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((model) => model.close()));
  });
  afterAll(() => driver.close?.());
  return async (path, engineOptions = {}, own = {}) => {
    const model = await driver.open(filesOf(path), {
      ...{ ...defaults, threads: 1, ...own },
      engineOptions: { ...engineOptions },
    });
    open.push(model);
    return model;
  };
}
