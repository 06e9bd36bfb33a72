import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { delimiter } from 'node:path';
import { MobillmError } from '@mobillm/core';
import { onAbort } from '@mobillm/core/native';

/** What the compiler's Python half is run with. */
export interface PythonRun {
  /** Python program. */
  readonly python: string;
  /** Folders for PYTHONPATH. */
  readonly packages: readonly string[];
  /** Arguments after `-m mobillm_mlc_compiler`. */
  readonly args: readonly string[];
  /** Working folder. */
  readonly folder: string;
  /** Told what is done, and the share of all that was done before. */
  readonly onProgress: (step: string, share: number) => void;
  /** Kills it. */
  readonly signal?: AbortSignal;
}

/** Variables that would have another TVM loaded, or other Python packages. */
const misleading = ['TVM_LIBRARY_PATH', 'TVM_HOME', 'PYTHONHOME', 'PYTHONSTARTUP'];

const lastCharacters = 4000;

/**
 * Runs the compiler to its end.
 *
 * @throws MobillmError `UNSUPPORTED` without a C compiler; `NATIVE_FAILURE` when TVM fails, with the end
 * of what it said in `details.output`; `IO_FAILED` when the disk is full. The signal's reason when it
 * aborts, once the process has ended.
 */
export async function runPython(run: PythonRun): Promise<void> {
  run.signal?.throwIfAborted();
  const child = spawn(run.python, ['-m', 'mobillm_mlc_compiler', ...run.args], {
    cwd: run.folder,
    env: environment(run.packages),
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const stopListening = onAbort(run.signal, () => child.kill('SIGKILL'));
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-lastCharacters);
  });
  let failure: Failure | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = parseLine(line);
    if (event === undefined) output = `${output}${line}\n`.slice(-lastCharacters);
    else if ('code' in event) failure = event;
    else run.onProgress(event.step, event.share);
  });
  try {
    const [status] = await ended;
    run.signal?.throwIfAborted();
    if (status !== 0) throw compilerFailed(status, failure, output);
  } finally {
    stopListening();
  }
}

function environment(packages: readonly string[]): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !misleading.includes(name));
  return {
    ...Object.fromEntries(kept),
    PYTHONPATH: packages.join(delimiter),
    PYTHONNOUSERSITE: '1',
    // The package's own folder may be read-only, and is not ours to write to.
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

interface Step {
  readonly step: string;
  readonly share: number;
}

interface Failure {
  readonly code: string;
  readonly error: string;
}

function parseLine(line: string): Step | Failure | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { step, share, code, error } = value as Record<string, unknown>;
  if (typeof step === 'string' && typeof share === 'number') return { step, share };
  if (typeof code === 'string' && typeof error === 'string') return { code, error };
  return undefined;
}

function compilerFailed(
  status: number | null,
  failure: Failure | undefined,
  output: string,
): MobillmError {
  const details = { status, output, ...failure };
  if (failure?.code === 'NO_LINKER') {
    return new MobillmError(
      'UNSUPPORTED',
      `Compiling models needs a C compiler to link with: ${failure.error}. Install one (on Debian and Ubuntu, "apt-get install gcc"), or name it in the option "linker".`,
      { details },
    );
  }
  if (failure?.code === 'SPEC_INVALID') {
    return new MobillmError(
      'MODEL_UNSUPPORTED',
      `The model cannot be compiled: ${failure.error}. Use an engine that runs GGUF files as they are.`,
      { details },
    );
  }
  if (/No space left on device|Errno 28/.test(output)) {
    return new MobillmError(
      'IO_FAILED',
      'The compiled library could not be written, since its disk is full. Free some space, or choose another folder.',
      { details },
    );
  }
  const reason = output.trim().split('\n').at(-1) ?? '';
  const end = status === null ? 'was killed; the system may be out of memory' : `failed: ${reason}`;
  return new MobillmError(
    'NATIVE_FAILURE',
    `The model compiler ${end}. "details.output" has all that it said; compile again with more free memory, or report it.`,
    { details },
  );
}
