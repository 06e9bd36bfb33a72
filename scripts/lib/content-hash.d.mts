/** See content-hash.mjs. */
export function contentHash(paths: readonly string[]): string;
