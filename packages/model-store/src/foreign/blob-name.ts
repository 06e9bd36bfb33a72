/** How programs name files after their content: Ollama, and the cache of the Hugging Face hub. */
const blobForms = [
  /\/blobs\/sha256-([0-9a-f]{64})$/,
  /\/(?:models|datasets)--[^/]+\/blobs\/([0-9a-f]{64})$/,
];

/**
 * The sha256 that the name of a file tells, after all links; `undefined` for other names. Both programs
 * give a file that name only once it is whole and they have checked it.
 */
export function sha256OfBlob(realPath: string): string | undefined {
  for (const form of blobForms) {
    const sha256 = form.exec(realPath)?.[1];
    if (sha256 !== undefined) return sha256;
  }
  return undefined;
}
