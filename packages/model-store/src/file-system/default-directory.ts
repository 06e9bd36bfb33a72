/**
 * Where the store lies when the application names no folder: `MOBILLM_HOME` if it is set, else the
 * place that the platform keeps for an application's data. Termux sets `HOME` to its own folder and
 * follows the convention of Linux there. `undefined` when no variable tells.
 */
export function defaultDirectory(
  os: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const named = (name: string, rest = '') => (env[name] ? `${env[name]}${rest}` : undefined);
  const own = named('MOBILLM_HOME');
  if (own !== undefined) return own;
  if (os === 'win32') {
    return named('LOCALAPPDATA', '/mobillm') ?? named('USERPROFILE', '/AppData/Local/mobillm');
  }
  if (os === 'darwin') return named('HOME', '/Library/Application Support/mobillm');
  // The XDG specification: a path that is not absolute is to be ignored.
  const data = env['XDG_DATA_HOME']?.startsWith('/')
    ? named('XDG_DATA_HOME', '/mobillm')
    : undefined;
  return data ?? named('HOME', '/.local/share/mobillm');
}
