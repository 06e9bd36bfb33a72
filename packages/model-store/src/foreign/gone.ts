import { MobillmError } from '@mobillm/core';
import type { Manifest } from '../manifest/manifest.js';
import { parseReference } from '../reference/parse-reference.js';
import { ollamaName } from '../sources/ollama-layers.js';
import { fileNotFound } from '../store-errors.js';
import { appTitles, type ForeignApp } from './found-model.js';

/** The error for a file of a model that is not there any more, with whose it was and how to get it back. */
export function goneFile({ name, app, origin }: Manifest, path: string): MobillmError {
  if (app === undefined) {
    return fileNotFound(path, `of the model "${name}" has gone. Put it back, or remove the model`);
  }
  const reference = origin?.reference;
  const title = `${appTitles[app].charAt(0).toUpperCase()}${appTitles[app].slice(1)}`;
  const ways = [
    `Get it there again${commandFor(app, reference)}`,
    ...(reference === undefined ? [] : [`pull "${reference}" into the store`]),
    'remove the model',
  ];
  return new MobillmError(
    'FILE_NOT_FOUND',
    `${title} has no file "${path}" any more, which the model "${name}" uses. ${ways.join(', or ')}.`,
    { details: { path, app, ...(reference !== undefined && { reference }) } },
  );
}

/** How the app's own command would get a model. */
function commandFor(app: ForeignApp, reference: string | undefined): string {
  if (reference === undefined) return '';
  try {
    const parsed = parseReference(reference);
    if (app === 'ollama' && parsed.source === 'ollama') {
      return ` ("ollama pull ${ollamaName(parsed)}")`;
    }
    if (app === 'hugging-face' && parsed.source === 'hugging-face') {
      return ` ("hf download ${parsed.repository}")`;
    }
    if (app === 'modelscope' && parsed.source === 'modelscope') {
      return ` ("modelscope download --model ${parsed.repository}")`;
    }
  } catch {
    // A record that somebody wrote by hand.
  }
  return '';
}
