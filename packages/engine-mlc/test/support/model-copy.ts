import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelFiles } from '@mobillm/core';
import { filesOf } from './models.js';

/** What a JSON file of a model's folder holds. */
type Json = Record<string, unknown>;

/** A copy of a compiled model in a folder of its own, to be spoilt. */
export interface ModelCopy {
  /** The copy as an engine opens it. */
  readonly files: ModelFiles;
  /** Folder of the copy. */
  readonly folder: string;
  /** Path of a file of it. */
  path(name: string): string;
  /** Changes `mlc-chat-config.json`. */
  changeConfig(change: (config: Json) => unknown): void;
  /** Changes `tensor-cache.json`. */
  changeIndex(change: (index: Json) => unknown): void;
  /** Puts bytes in the model library's place; `honest` tells the configuration of their sha256. */
  replaceLibrary(bytes: Uint8Array, honest: boolean): void;
}

/** Copies the folder of a compiled model below another one. */
export function copyModel(from: string, below: string): ModelCopy {
  const folder = mkdtempSync(join(below, 'copy-'));
  cpSync(from, folder, { recursive: true });
  const path = (name: string): string => join(folder, name);
  const change = (name: string, by: (content: Json) => unknown): void => {
    const content = JSON.parse(readFileSync(path(name), 'utf8')) as Json;
    writeFileSync(path(name), JSON.stringify(by(content)));
  };
  const changeConfig: ModelCopy['changeConfig'] = (by) => change('mlc-chat-config.json', by);
  return {
    files: filesOf(folder),
    folder,
    path,
    changeConfig,
    changeIndex: (by) => change('tensor-cache.json', by),
    replaceLibrary(bytes, honest) {
      writeFileSync(path('model.so'), bytes);
      if (!honest) return;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const library = { file: 'model.so', bytes: bytes.length, sha256 };
      changeConfig((config) => withField(config, 'mobillm.library', library));
    },
  };
}

/** A copy of a JSON value with one field, named by its path, replaced or (as `undefined`) removed. */
export function withField(value: unknown, path: string, replacement: unknown): unknown {
  const copy = structuredClone(value) as Json;
  const names = path.split('.');
  const last = names.pop()!;
  let inner = copy;
  for (const name of names) inner = inner[name] as Json;
  if (replacement === undefined) Reflect.deleteProperty(inner, last);
  else inner[last] = replacement;
  return copy;
}
