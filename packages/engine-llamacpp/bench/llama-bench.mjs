import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../scripts/compile.mjs';
import { fetchSource } from '../scripts/fetch-source.mjs';
import { requireProgram, run } from '../scripts/tools.mjs';

const folder = join(packageFolder, 'build-llama-bench');
const program = join(folder, 'bin', 'llama-bench');

/** Builds llama.cpp's own benchmark from the same source with the same options, once. */
async function build() {
  if (existsSync(program)) return;
  const source = await fetchSource();
  const cmake = requireProgram('cmake');
  const off = ['TESTS', 'EXAMPLES', 'SERVER', 'APP', 'UI'].map(
    (part) => `-DLLAMA_BUILD_${part}=OFF`,
  );
  await run(cmake, [
    ...['-S', source, '-B', folder, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release'],
    ...['-DBUILD_SHARED_LIBS=OFF', '-DGGML_OPENMP=OFF', '-DGGML_NATIVE=ON', '-DLLAMA_OPENSSL=OFF'],
    ...['-DLLAMA_BUILD_COMMON=ON', '-DLLAMA_BUILD_TOOLS=ON', ...off],
  ]);
  await run(cmake, ['--build', folder, '--target', 'llama-bench', '--parallel', '2']);
}

/** Tokens a second of a prefill and of a decode, measured by llama-bench. */
export async function runLlamaBench(
  modelPath,
  { threads, batch, prefillTokens, decodeTokens, repetitions },
) {
  await build();
  const output = execFileSync(
    program,
    [
      ...['-m', modelPath, '-t', String(threads), '-b', String(batch), '-ub', String(batch)],
      ...['-p', String(prefillTokens), '-n', String(decodeTokens), '-r', String(repetitions)],
      ...['-o', 'json'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const rows = JSON.parse(output);
  const of = (row) => ({ tokensPerSecond: row.avg_ts, samples: row.samples_ts });
  return {
    prefill: of(rows.find((row) => row.n_prompt > 0)),
    decode: of(rows.find((row) => row.n_gen > 0)),
  };
}
