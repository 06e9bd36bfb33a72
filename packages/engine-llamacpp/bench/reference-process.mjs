import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(
  new URL('../build/native/reference/reference_generate', import.meta.url),
);

/** The C++ reference program, kept open so that jobs can alternate with those of the engine. */
export class ReferenceProcess {
  #child;
  #lines;

  constructor(modelPath, { context, batch, threads }) {
    this.#child = spawn(
      program,
      [
        ...[modelPath, '--ignore-end', '--context', String(context)],
        ...['--batch', String(batch), '--threads', String(threads)],
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
