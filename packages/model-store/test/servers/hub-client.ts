import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Why the tests with the hub's own client are left out; `undefined` where they run. */
export const noHubClient =
  process.env['MOBILLM_HUGGINGFACE_HUB'] === undefined
    ? 'MOBILLM_HUGGINGFACE_HUB names no folder with huggingface_hub; "npm test" fetches it'
    : undefined;

/** Runs a program of Python in which `huggingface_hub` is at hand, and returns what it printed. */
export async function runHubClient(
  program: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const { stdout } = await promisify(execFile)('python3', ['-c', program], {
    env: {
      PATH: process.env['PATH'],
      HOME: environment['HF_HOME'],
      PYTHONPATH: process.env['MOBILLM_HUGGINGFACE_HUB'],
      HF_HUB_DISABLE_TELEMETRY: '1',
      HF_HUB_DISABLE_PROGRESS_BARS: '1',
      HF_HUB_DISABLE_XET: '1',
      ...environment,
    },
  });
  return stdout.trim();
}
