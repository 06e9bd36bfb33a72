/** Folder of the Hugging Face hub's clients for a user; `undefined` where no variable tells. */
export function hubHome(
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (environment['HF_HOME']) return environment['HF_HOME'];
  const home = environment['HOME'] || environment['USERPROFILE'];
  const cache = environment['XDG_CACHE_HOME'] || (home && `${home}/.cache`);
  return cache ? `${cache}/huggingface` : undefined;
}

/**
 * Folders in which the hub's Python client keeps what it downloads, the one in use first; those of an
 * environment that was set otherwise before may follow.
 */
export function hubCacheFolders(
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const set = environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'];
  const home = hubHome(environment);
  return [...(set ? [set] : []), ...(home === undefined ? [] : [`${home}/hub`])];
}
