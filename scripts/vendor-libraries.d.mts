/** See vendor-libraries.mjs. */
export function ensureVendorLibraries(): Promise<Record<string, string>>;
