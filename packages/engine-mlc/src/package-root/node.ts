import { fileURLToPath } from 'node:url';

/** Folder of this package, in which its own build of the addon lies. */
export const packageRoot: string | undefined = fileURLToPath(new URL('../..', import.meta.url));
