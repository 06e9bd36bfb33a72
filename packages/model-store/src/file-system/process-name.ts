import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** What separates the parts of a name: machine, boot, process number, start of the process. */
const separator = '_';

let own: string | undefined;

/** Name of this process; see `FileSystem.processName`. */
export function processName(): string {
  own ??= [machine(), boot(), process.pid, startOf(process.pid) ?? 'x'].join(separator);
  return own;
}

/**
 * Whether a process of that name is running. A process number alone would not do: numbers are
 * used again, and after a restart they mean nothing. `undefined` of a process on another machine.
 */
export function isProcessAlive(name: string): boolean | undefined {
  const [host, since, number, start] = name.split(separator);
  if (host !== machine()) return undefined;
  if (since !== boot()) return false;
  const pid = Number(number);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startOf(pid);
  return now === undefined || start === 'x' || now === start;
}

function machine(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 12);
}

/** Something that changes with every start of the machine, where the system tells it. */
function boot(): string {
  return readOwn('/proc/sys/kernel/random/boot_id')?.trim().slice(0, 8) ?? 'x';
}

/** When a process started, in clock ticks since boot; Linux alone tells it. */
function startOf(pid: number): string | undefined {
  const line = readOwn(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may hold anything, spaces included.
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19];
}

function readOwn(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
