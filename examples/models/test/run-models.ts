import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a run of the command came to. */
export interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly log: string;
}

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** The built command as a process that runs. */
export interface RunningModels {
  readonly outcome: Promise<Outcome>;
  /** Presses Ctrl-C. */
  interrupt(): void;
}

/** Starts the built command on the store in a folder, for a user who has nothing else. */
export function startModels(
  home: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): RunningModels {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { PATH: process.env['PATH'], HOME: `${home}/none`, MOBILLM_HOME: home, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output, log }));
  });
  return { outcome, interrupt: () => child.kill('SIGINT') };
}
