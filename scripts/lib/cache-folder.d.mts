/** See cache-folder.mjs. */
export function cacheFolder(): string;
