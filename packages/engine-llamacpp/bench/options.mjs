import { parseArgs } from 'node:util';
import { ensureDefaultModel } from '../../../scripts/default-model.mjs';

/**
 * Reads the command line of a benchmark: `--model`, `--threads` (1) and `--json`, which all have, and its own.
 *
 * @param {NonNullable<import('node:util').ParseArgsConfig['options']>} own options of this one alone, and
 * other defaults
 * @returns the values as `parseArgs` gives them, and the path of the model: the one that was named, the
 * tests' or the default model.
 */
export async function benchOptions(own) {
  const { values } = parseArgs({
    // Package managers hand on the mark that stood before them.
    args: process.argv.slice(2).filter((argument) => argument !== '--'),
    options: {
      threads: { type: 'string', default: '1' },
      model: { type: 'string' },
      json: { type: 'boolean', default: false },
      ...own,
    },
  });
  const modelPath = values.model ?? process.env.MOBILLM_TEST_MODEL ?? (await ensureDefaultModel());
  return { values, modelPath };
}
