import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defaultModelPath } from './models.js';

const program = fileURLToPath(
  new URL('../../build/native/reference/reference_generate', import.meta.url),
);

/** One generation of the reference program. */
export interface ReferenceResult {
  readonly tokens: readonly number[];
}

/** A prompt and how many tokens to sample after it. */
export interface ReferenceJob {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
}

/** Generates with llama.cpp alone, each job in an empty context. */
export function runReference(
  jobs: readonly ReferenceJob[],
  options: Readonly<Record<string, number | string>> = {},
): readonly ReferenceResult[] {
  if (!existsSync(program)) {
    throw new Error(`${program} is missing: run "npm run build:native" in this package first.`);
  }
  const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const input = jobs.map((job) => [job.maxTokens, ...job.prompt].join(' ')).join('\n');
  const result = spawnSync(program, [defaultModelPath, ...flags], { input, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`the reference program failed: ${result.stderr}`);
  return result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReferenceResult);
}
