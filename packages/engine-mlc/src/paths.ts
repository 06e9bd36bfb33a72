/**
 * Joins a folder and names below it. Forward slashes serve on Windows too, so that no module of Node is
 * needed for it.
 */
export function joinPath(folder: string, ...names: readonly string[]): string {
  return [folder.replace(/[/\\]+$/, ''), ...names].join('/');
}

/** The folder that a path's last name lies in; `.` for a name alone. */
export function folderOf(path: string): string {
  const end = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  if (end < 0) return '.';
  return end === 0 ? path.slice(0, 1) : path.slice(0, end);
}
