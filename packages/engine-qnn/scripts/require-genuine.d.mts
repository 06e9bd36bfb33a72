/** Makes sure that a folder holds Qualcomm's own libraries, of the pinned build, byte for byte. */
export function requireGenuine(folder: string): Promise<void>;
