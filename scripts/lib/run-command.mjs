import { spawn } from 'node:child_process';
import { prefixLines } from './prefix-lines.mjs';

/** How much of a command's output is kept to tell why it failed. */
const tailBytes = 64 * 1024;

/**
 * Runs a command and waits for its end. Its output goes to this process's own as it comes (all of it
 * to `output`, where that is given), unless `quiet`; the end of it is kept either way. With a
 * `prefix` each line of it stands behind that: commands side by side are told apart.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean, output?: NodeJS.WriteStream, prefix?: string, signal?: AbortSignal }} [options]
 * @returns {Promise<{ status: number, output: string }>} `status` is 127 when there is no such
 * command and 1 when a signal ended it.
 */
export async function runCommand(command, args, options = {}) {
  const { quiet = false, env = process.env, output: target, prefix, ...rest } = options;
  const child = spawn(command, args, {
    ...rest,
    // Through a pipe tools drop their colours, although a person is reading.
    env: process.stdout.isTTY && !quiet ? { FORCE_COLOR: '1', ...env } : env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // npm and npx are .cmd files there, which only a shell can start.
    shell: process.platform === 'win32',
  });
  let output = '';
  const targets = [target ?? process.stdout, target ?? process.stderr].map((stream) =>
    prefix === undefined ? stream : prefixLines(prefix, stream),
  );
  const keep = (stream) => (chunk) => {
    if (!quiet) stream.write(chunk);
    output = (output + chunk.toString()).slice(-tailBytes);
  };
  child.stdout.on('data', keep(targets[0]));
  child.stderr.on('data', keep(targets[1]));
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      if (error.code === 'ENOENT') resolve({ status: 127, output: error.message });
      else reject(options.signal?.aborted ? options.signal.reason : error);
    });
    child.on('close', (status) => {
      if (prefix !== undefined) for (const it of targets) it.end();
      resolve({ status: status ?? 1, output });
    });
  });
}

/**
 * Tells from a tool's output whether it failed for want of a network.
 *
 * @param {string} output
 */
export function looksOffline(output) {
  return /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_PNPM_META_FETCH_FAIL|NewConnectionError|NameResolutionError|ConnectTimeout|Temporary failure in name resolution|Network is unreachable|Could not resolve host/.test(
    output,
  );
}
