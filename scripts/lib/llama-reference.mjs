import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { root } from './workspace.mjs';

const program = join(root, 'packages/engine-llamacpp/build/native/reference/reference_generate');

/**
 * The plain C++ loop over llama.cpp that benchmarks compare with, kept open so that its jobs can
 * alternate with those of an engine. Built by `npm run build:native`.
 */
export class LlamaReference {
  #child;
  #lines;

  /**
   * @param {string} modelPath
   * @param {{ context: number, batch: number, threads: number, flashAttention?: 'auto' | 'on' | 'off' }} settings
   * of the library; the kind of attention is its own choice by default
   */
  constructor(modelPath, { context, batch, threads, flashAttention = 'auto' }) {
    this.#child = spawn(
      program,
      [
        ...[modelPath, '--ignore-end', '--context', String(context)],
        ...['--batch', String(batch), '--threads', String(threads)],
        ...['--flash-attention', flashAttention],
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Prefills a prompt and samples so many tokens; gives times in milliseconds, wall and CPU. */
  async run(prompt, maxTokens) {
    this.#child.stdin.write(`${maxTokens} ${prompt.join(' ')}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the reference program ended');
    return JSON.parse(value);
  }

  close() {
    this.#child.stdin.end();
  }
}
