import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fetchSource } from '../scripts/fetch-source.mjs';
import { packageFolder, requireProgram, run } from '../scripts/shared.mjs';

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

/** Builds it where it is missing and gives a function that measures once: tokens a second. */
export async function prepareLlamaBench(
  modelPath,
  { threads, batch, flashAttention, prefillTokens, decodeTokens },
) {
  await build();
  return () => {
    const output = execFileSync(
      program,
      [
        ...['-m', modelPath, '-t', String(threads), '-b', String(batch), '-ub', String(batch)],
        ...['-p', String(prefillTokens), '-n', String(decodeTokens), '-r', '1', '-o', 'json'],
        ...['-fa', flashAttention],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const rows = JSON.parse(output);
    return {
      prefill: rows.find((row) => row.n_prompt > 0).avg_ts,
      decode: rows.find((row) => row.n_gen > 0).avg_ts,
    };
  };
}
