import { BrokenCall } from './call-reader.js';

/**
 * Parses the JSON that a model wrote. Line breaks in strings, which JSON wants escaped and models do
 * not, are taken for what they are.
 *
 * @throws BrokenCall saying what is wrong.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    try {
      return JSON.parse(escapeControls(text));
    } catch {
      const what = error instanceof Error ? error.message : String(error);
      throw new BrokenCall('malformed', `its JSON cannot be parsed (${what})`);
    }
  }
}

function escapeControls(text: string): string {
  return text.replace(/"(?:[^"\\]|\\[^])*"/gu, (string) =>
    string.replace(
      // eslint-disable-next-line no-control-regex -- these are what is to be escaped
      /[\u0000-\u001f]/gu,
      (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
}

/** Writes JSON as Python does, and so as the models have seen it: `{"a": 1, "b": [2, 3]}`. */
export function writeJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(writeJson).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${writeJson(item)}`,
  );
  return `{${members.join(', ')}}`;
}
