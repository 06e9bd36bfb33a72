import type { ForeignApp } from './found-model.js';

/** A file that an app named after its content. */
export interface NamedBlob {
  readonly app: ForeignApp;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

const blobForms: readonly (readonly [ForeignApp, RegExp])[] = [
  ['ollama', /\/blobs\/sha256-([0-9a-f]{64})$/],
  ['hugging-face', /\/models--[^/]+\/blobs\/([0-9a-f]{64})$/],
];

/**
 * What the path of a file tells, after all links, of who holds it and of its content; `undefined` for
 * other names. Both apps give a file that name only once it is whole and they have checked it.
 */
export function readBlobName(realPath: string): NamedBlob | undefined {
  for (const [app, form] of blobForms) {
    const sha256 = form.exec(realPath)?.[1];
    if (sha256 !== undefined) return { app, sha256 };
  }
  return undefined;
}
