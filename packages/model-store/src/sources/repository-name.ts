/** A name for a model of a repository: the file's own, with who made it (`owner/Model-Q4_K_M`). */
export function nameOfRepositoryFile(repository: string, path: string): string {
  const owner = repository.slice(0, repository.indexOf('/'));
  const base = path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.gguf$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '');
  return `${owner}/${base}`;
}
