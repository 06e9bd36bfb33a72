/** A bundle has no folder of its own. */
export const packageRoot: string | undefined = undefined;
