import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { UserError } from './user-error.mjs';
import { root } from './workspace.mjs';

/** A model in Node under qemu, as the driver that `compareTeacherForced` asks. */
export class EmulatedModel {
  #child;
  #lines;
  #ended;

  /**
   * @param {object} options
   * @param {string} options.emulator path of qemu
   * @param {string} options.processor which it takes the part of
   * @param {string} options.node path of Node for Linux on arm64
   * @param {string} options.addon path of the engine's addon for it
   * @param {string} options.path of the model
   */
  static async open({ emulator, processor, node, addon, path }) {
    const script = join(root, 'packages/engine-llamacpp/test/fixtures/answer-next.mjs');
    const child = spawn(
      emulator,
      [...['-cpu', processor, '-L', '/usr/aarch64-linux-gnu'], node, script, path],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, MOBILLM_LLAMACPP_ADDON: addon },
      },
    );
    const model = new EmulatedModel(child);
    const { library, arch, kernels } = await model.#next();
    if (arch !== 'arm64') throw new Error(`the program under qemu runs on ${arch}`);
    model.library = library;
    model.kernels = kernels;
    return model;
  }

  constructor(child) {
    this.#child = child;
    // From the beginning: it may have ended before anybody closes it.
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async #next() {
    const { value, done } = await this.#lines.next();
    if (done) throw new UserError('The program under qemu ended; what it said stands above.');
    return JSON.parse(value);
  }

  ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.#next();
  }

  async createSequence() {
    let fresh = true;
    const ask = (tokens, count) => {
      const request = { fresh, tokens, count };
      fresh = false;
      return this.ask(request);
    };
    return {
      async *generate(tokens, { maxTokens }) {
        yield await ask(tokens, maxTokens);
      },
      close: async () => {},
    };
  }

  async close() {
    this.#child.stdin.end();
    await this.#ended;
  }
}
