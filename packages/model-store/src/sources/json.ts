import { isSha256 } from '../is-sha256.js';
import { badAnswer } from '../http/http-client.js';

/** Fields of an object in an answer that nobody vouches for. */
export type Fields = Readonly<Record<string, unknown>>;

/** A value as an object; empty for anything else. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

/** A text; `undefined` for anything else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A number of bytes; `undefined` for anything else. */
export function bytesOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** A sha256 in lower-case hexadecimal, with or without the prefix `sha256:`; `undefined` for anything else. */
export function sha256Of(value: unknown): string | undefined {
  const text = textOf(value)
    ?.toLowerCase()
    .replace(/^sha256:/, '');
  return isSha256(text) ? text : undefined;
}

/** A list in an answer. */
export function listOf(value: unknown, url: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badAnswer(url, 'is not the list that was asked for');
  return value;
}
