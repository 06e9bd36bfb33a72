import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ensureMlcCompiler } from '../../scripts/fetch-compiler.mjs';

/** What TVM's own host made of a compiled folder. */
export interface LibraryRun {
  /** What `_metadata` of the library says. */
  readonly metadata: {
    readonly prefill_chunk_size: number;
    readonly context_window_size: number;
    readonly memory_usage: Readonly<Record<string, number>>;
    readonly params: readonly { readonly name: string }[];
  };
  /** Logits after each chunk. */
  readonly logits: readonly (readonly number[])[];
}

/** Runs a compiled folder in TVM's Python host, which shares nothing with our engine. */
export async function runLibrary(
  folder: string,
  chunks: readonly (readonly number[])[],
): Promise<LibraryRun> {
  const { python, packages } = await ensureMlcCompiler();
  const script = fileURLToPath(new URL('run-library.py', import.meta.url));
  const { TVM_LIBRARY_PATH: _, ...environment } = process.env;
  const child = spawn(python, [script], {
    env: { ...environment, PYTHONPATH: packages },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  child.stdin.end(JSON.stringify({ folder, contextTokens: 256, chunks }));
  const output = await text(child.stdout);
  const [status] = (await ended) as [number];
  if (status !== 0) throw new Error(`run-library.py ended with ${status}`);
  return JSON.parse(output) as LibraryRun;
}
