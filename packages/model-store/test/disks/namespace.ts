import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Runs a program of this folder and returns the JSON that it prints. `mount` are commands of a shell that stand before
 * it, with `$0` for the folder; they have a namespace of their own, in which they may mount.
 */
export async function runWorker(
  script: string,
  args: readonly string[],
  mount?: string,
): Promise<unknown> {
  const program = [process.execPath, new URL(`./${script}`, import.meta.url).pathname, ...args];
  const command =
    mount === undefined
      ? program
      : ['unshare', '-rm', 'sh', '-c', `${mount} && shift && exec "$@"`, args[0]!, 'x', ...program];
  const { stdout } = await promisify(execFile)(command[0]!, command.slice(1));
  return JSON.parse(stdout) as unknown;
}

/** Why there can be no namespace to mount in; `undefined` where there can. */
export function noNamespace(): string | undefined {
  try {
    execFileSync('unshare', ['-rm', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'this system makes no user namespaces in which a disk could be mounted';
  }
}
