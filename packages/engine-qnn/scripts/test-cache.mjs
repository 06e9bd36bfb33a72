import { join } from 'node:path';
import { cacheFolder } from '../../../scripts/lib/cache-folder.mjs';

/** Folder of the models that the tests compile, kept between runs and checkouts. */
export const compiledModelsFolder = join(cacheFolder(), 'qnn-test-models');
