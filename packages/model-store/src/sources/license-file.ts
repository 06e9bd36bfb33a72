import type { RepositoryFile } from './source.js';

/** Licences are a few dozen kilobytes. */
const maxBytes = 2 ** 20;
/** What the text of a licence is called at the root of a repository; the most usual first. */
const names = [
  /^LICEN[CS]E$/i,
  /^LICEN[CS]E\.(txt|md|rst)$/i,
  /^COPYING(\.(txt|md))?$/i,
  /^LICEN[CS]E[-_.][\w.-]{1,40}$/i,
];

/** The text of a repository's licence, where it has one of a sensible size. */
export function licenseOf(files: readonly RepositoryFile[]): RepositoryFile | undefined {
  const small = files.filter(({ fileBytes }) => fileBytes > 0 && fileBytes <= maxBytes);
  for (const name of names) {
    const found = small.find(({ path }) => name.test(path));
    if (found !== undefined) return found;
  }
  return undefined;
}
