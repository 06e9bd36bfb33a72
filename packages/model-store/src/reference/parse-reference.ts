import { wrongType, wrongValue } from '@mobillm/core';
import { isLoopback } from '../http/this-machine.js';
import type { ModelReference } from './model-reference.js';

/** Longer than any address that works. */
const maxLength = 4096;
const forms =
  '"hf:owner/repo[@revision][:file or quantization]", "ollama:name[:tag]", "modelscope:owner/repo[:file]", "https://…[#sha256=…]", "file:/path" or a path';

/** One part of a repository's name, as all hubs allow it. */
const part = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?$/;
const hostForm = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9-]+(?::\d{1,5})?$/;
const tagForm = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Reads a reference to a model:
 *
 * | form | meaning |
 * |---|---|
 * | `hf:owner/repo[@revision][:selection]` | a Hugging Face hub; the selection is a file, a quantization (`Q4_K_M`) or `auto` |
 * | `ollama:[[host/]namespace/]name[:tag]` | an Ollama registry, `registry.ollama.ai/library/…:latest` by default; also `ollama:hf.co/owner/repo:Q4_K_M` |
 * | `modelscope:owner/repo[@revision][:selection]` | ModelScope |
 * | `https://…[#sha256=…]` | a file at an address; `http://…` only to this machine, or with a sha256 |
 * | `file:…`, or a path | a file on this device |
 *
 * @throws InvalidArgument with what is wrong with it.
 */
export function parseReference(reference: unknown, key = 'reference'): ModelReference {
  if (typeof reference !== 'string') throw wrongType(key, 'a string', reference);
  const text = reference;
  if (text === '') throw wrongValue(key, `must not be empty; it is ${forms}`);
  if (text.length > maxLength) {
    throw wrongValue(key, `must have at most ${maxLength} characters, but it has ${text.length}`);
  }
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) throw wrongValue(key, 'has a control character');
  // A letter and a colon are a drive of Windows.
  const scheme = /^([A-Za-z][A-Za-z+.-]+):/.exec(text)?.[1]?.toLowerCase();
  const rest = scheme === undefined ? text : text.slice(scheme.length + 1);
  switch (scheme) {
    case undefined:
      return { source: 'file', path: text };
    case 'file':
      return { source: 'file', path: pathOfFileUrl(rest, key) };
    case 'hf':
    case 'huggingface':
      return { source: 'hugging-face', ...parseRepository(rest, text, key) };
    case 'modelscope':
    case 'ms':
      return { source: 'modelscope', ...parseRepository(rest, text, key) };
    case 'ollama':
      return parseOllama(rest, text, key);
    case 'http':
    case 'https':
      return parseUrl(text, key);
    default:
      throw wrongValue(key, `"${text}" begins with "${scheme}:", which is unknown; it is ${forms}`);
  }
}

/** A reference in its one full spelling, which says the same to {@link parseReference}. */
export function formatReference(reference: ModelReference): string {
  switch (reference.source) {
    case 'file':
      return /^[A-Za-z][A-Za-z+.-]+:/.test(reference.path)
        ? `file:${reference.path}`
        : reference.path;
    case 'url':
      return reference.url + (reference.sha256 ? `#sha256=${reference.sha256}` : '');
    case 'ollama': {
      const { host, namespace, model, tag } = reference;
      return `ollama:${host}/${namespace}/${model}:${tag}`;
    }
    case 'hugging-face':
    case 'modelscope': {
      const { source, repository, revision, selection } = reference;
      const scheme = source === 'hugging-face' ? 'hf' : 'modelscope';
      const at = revision === undefined ? '' : `@${revision}`;
      return `${scheme}:${repository}${at}${selection === undefined ? '' : `:${selection}`}`;
    }
  }
}

interface Repository {
  readonly repository: string;
  readonly revision?: string;
  readonly selection?: string;
}

function parseRepository(rest: string, text: string, key: string): Repository {
  const match = /^([^@:]+)(?:@([^:]*))?(?::(.*))?$/.exec(rest);
  const [, repository = '', revision, selection] = match ?? [];
  if (!isRepository(repository)) {
    throw wrongValue(key, `"${text}" does not name a repository as "owner/name"`);
  }
  if (revision !== undefined && !isRevision(revision)) {
    throw wrongValue(key, `"${text}" has no branch, tag or commit after its "@"`);
  }
  if (selection !== undefined) checkFileName(selection, text, key);
  return {
    repository,
    ...(revision !== undefined && { revision }),
    ...(selection !== undefined && { selection }),
  };
}

/** Whether a text names a repository of a hub as `owner/name`. */
export function isRepository(text: string): boolean {
  const parts = text.split('/');
  return parts.length === 2 && parts.every(isPart);
}

/** Whether a text is the name of a commit. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40,64}$/.test(text);
}

/** Whether a text can be a part of a repository's name. */
function isPart(text: string): boolean {
  return text.length <= 96 && part.test(text) && !text.includes('..') && !text.includes('--');
}

function isRevision(text: string): boolean {
  return (
    text.length <= 255 &&
    /^[A-Za-z0-9._/-]+$/.test(text) &&
    !text.split('/').some((name) => name === '' || name === '.' || name === '..')
  );
}

/** Refuses a name that leads anywhere but to a file under the folder that it is used in. */
function checkFileName(name: string, text: string, key: string): void {
  const bad = name
    .split('/')
    .some((folder) => folder === '' || folder === '.' || folder === '..' || folder.includes('\\'));
  if (bad) {
    throw wrongValue(
      key,
      `"${text}" has no file of the repository, quantization or "auto" after its ":"`,
    );
  }
}

function parseOllama(rest: string, text: string, key: string): ModelReference {
  const parts = rest.replace(/^\/\//, '').split('/');
  const last = parts.pop() ?? '';
  const colon = last.indexOf(':');
  const model = colon < 0 ? last : last.slice(0, colon);
  const tag = colon < 0 ? 'latest' : last.slice(colon + 1);
  const namespace = parts.pop() ?? 'library';
  const host = parts.pop() ?? 'registry.ollama.ai';
  if (parts.length > 0 || !isPart(model) || !isPart(namespace) || !hostForm.test(host)) {
    throw wrongValue(
      key,
      `"${text}" is not of the form "ollama:name:tag", "ollama:namespace/name:tag" or "ollama:host/namespace/name:tag"`,
    );
  }
  if (!tagForm.test(tag)) throw wrongValue(key, `"${text}" has no tag after its last ":"`);
  return { source: 'ollama', host: host.toLowerCase(), namespace, model, tag };
}

function parseUrl(text: string, key: string): ModelReference {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrongValue(key, `"${text}" is not an address`);
  }
  if (url.username !== '' || url.password !== '') {
    throw wrongValue(key, 'has a name or password in the address; leave them out');
  }
  const fragment = url.hash.slice(1);
  url.hash = '';
  const sha256 = /^sha256=([0-9a-fA-F]{64})$/.exec(fragment)?.[1]?.toLowerCase();
  if (fragment !== '' && sha256 === undefined) {
    throw wrongValue(key, `"${text}" has something other than "#sha256=<64 digits>" at its end`);
  }
  if (url.protocol === 'http:' && sha256 === undefined && !isLoopback(url.hostname)) {
    throw wrongValue(
      key,
      `"${text}" would come unencrypted, and nothing tells what it has to be. Use https, or add "#sha256=…"`,
    );
  }
  return { source: 'url', url: url.href, ...(sha256 !== undefined && { sha256 }) };
}

/** `file:/a`, `file:///a` and `file:a`. */
function pathOfFileUrl(rest: string, key: string): string {
  const path = rest.startsWith('//') ? rest.slice(2).replace(/^localhost(?=\/)/, '') : rest;
  if (path === '') throw wrongValue(key, 'has no path after "file:"');
  if (!rest.startsWith('//')) return path;
  try {
    const decoded = decodeURIComponent(path);
    // file:///C:/models
    return /^\/[A-Za-z]:/.test(decoded) ? decoded.slice(1) : decoded;
  } catch {
    throw wrongValue(key, `"file:${rest}" has a "%" that is not followed by two digits`);
  }
}
