import { check } from '@mobillm/core';
import { jobShape } from '../job-options.js';
import type { ModelReference } from '../reference/model-reference.js';
import { parseReference } from '../reference/parse-reference.js';
import { foreignApps } from './found-model.js';

/** Checks `DiscoverOptions`. */
export const checkDiscoverOptions = check.optionsObject({
  ...jobShape,
  apps: check.arrayOf(check.oneOf(...foreignApps)),
  folders: check.arrayOf(check.string({ nonEmpty: true })),
});

/** Checks `ExportModelOptions`. */
export const checkExportOptions = check.optionsObject({
  ...jobShape,
  as: check.string({ nonEmpty: true }),
  folder: check.string({ nonEmpty: true }),
  existing: check.oneOf('keep', 'replace'),
  template: check.string(),
});

/** What is to be added: a path, or a reference to what an app holds. */
export function readSubject(model: string): string | ModelReference {
  const text = check.string({ nonEmpty: true })(model, 'path');
  return /^(?:hf|huggingface|modelscope|ms|ollama):/i.test(text)
    ? parseReference(text, 'path')
    : text;
}
