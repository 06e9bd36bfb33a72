/** Chosen by export conditions, see "imports" in package.json. */
declare module '#package-root' {
  /** Folder of this package; `undefined` in a bundle. */
  export const packageRoot: string | undefined;
}
