import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ModelFiles, parseQnnManifest, qnnManifestFileName } from '@mobillm/core';
import { filesOf, manifestPathOf } from './models.js';

/** A copy of a compiled model in a folder of its own, to be spoilt. */
export interface ModelCopy {
  /** The copy as an engine opens it. */
  readonly files: ModelFiles;
  /** Folder of the copy. */
  readonly folder: string;
  /** Path of the context binary. */
  readonly binary: string;
  /** Puts bytes in the binary's place; `honest` tells the manifest of their size and sha256. */
  replaceBinary(bytes: Uint8Array, honest: boolean): void;
  /** Changes the manifest's JSON. */
  changeManifest(change: (manifest: Record<string, unknown>) => unknown): void;
}

/** Copies the files of a compiled model below a folder. */
export function copyModel(files: ModelFiles, below: string): ModelCopy {
  const from = dirname(manifestPathOf(files));
  const folder = mkdtempSync(join(below, 'copy-'));
  const manifestPath = join(folder, qnnManifestFileName);
  for (const { path } of files.files) copyFileSync(path, path.replace(from, folder));
  const { binaries } = parseQnnManifest(readFileSync(manifestPath, 'utf8'), manifestPath);
  const binary = join(folder, binaries[0].file);
  const changeManifest: ModelCopy['changeManifest'] = (change) => {
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as Record<string, unknown>;
    writeFileSync(manifestPath, JSON.stringify(change(manifest)));
  };
  return {
    files: filesOf(manifestPath),
    folder,
    binary,
    changeManifest,
    replaceBinary(bytes, honest) {
      writeFileSync(binary, bytes);
      if (!honest) return;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const file = binary.slice(folder.length + 1);
      changeManifest((manifest) => ({
        ...manifest,
        binaries: [{ file, bytes: bytes.length, sha256 }],
      }));
    },
  };
}
