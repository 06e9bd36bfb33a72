import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peersFolder } from './install-peers.mjs';

/** A contender of `peers.mjs` in a process of its own, which does one job at a time. */
export class Contender {
  #child;
  #said = '';

  /** Resolves once its model is open. */
  static async start(name, settings) {
    const contender = new Contender(name, settings);
    await contender.#answer();
    return contender;
  }

  constructor(name, settings) {
    this.name = name;
    const program = fileURLToPath(new URL('contender-process.mjs', import.meta.url));
    const peers = join(peersFolder(), 'package.json');
    // Some libraries write to both outputs: what they say is kept for when they fail.
    this.#child = fork(program, [JSON.stringify({ name, peers, settings })], { silent: true });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output.on('data', (text) => (this.#said = (this.#said + text).slice(-2000)));
    }
  }

  async run(job) {
    this.#child.send(job);
    return this.#answer();
  }

  close() {
    this.#child.kill();
  }

  #answer() {
    return new Promise((resolve, reject) => {
      const onClose = () => {
        reject(new Error(`${this.name} ended. Its last words: ${this.#said}`));
      };
      this.#child.once('close', onClose);
      this.#child.once('message', (message) => {
        this.#child.off('close', onClose);
        resolve(message);
      });
    });
  }
}

/** Gives each of the names a contender, and ends them after use. */
export async function withContenders(names, settings, use) {
  const contenders = [];
  for (const name of names) contenders.push(await Contender.start(name, settings));
  try {
    return await use(contenders);
  } finally {
    for (const contender of contenders) contender.close();
  }
}

/** Runs a job on each contender in turns; the first round warms up and is not counted. */
export async function inTurns(contenders, job, rounds) {
  const results = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? [...contenders].reverse() : contenders;
    for (const contender of order) {
      const result = await contender.run(job);
      if (round >= 0) results.get(contender.name).push(result);
    }
  }
  return results;
}
