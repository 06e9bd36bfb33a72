/** The part of the optional peer that is used: it loads addons into Hermes. */
declare module 'react-native-node-api' {
  /** Loads the library that was linked into the application under that name. */
  export function requireNodeAddon(libraryName: string): unknown;
}
