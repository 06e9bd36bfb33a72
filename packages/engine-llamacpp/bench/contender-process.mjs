/**
 * One contender of `peers.mjs`, alone in its process: does one job a message, and answers with what it
 * measured. All of them run this same code.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { name, peers, settings } = JSON.parse(process.argv[2]);
/** Imports a package that is installed outside this workspace. */
const load = (specifier) => import(pathToFileURL(createRequire(peers).resolve(specifier)).href);
const { open, openChat } = await import(`./contenders/${name}.mjs`);
const contender = await (settings.chat ? openChat : open)(settings, { load });

async function timed(work) {
  const cpu = process.cpuUsage();
  const wall = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs: performance.now() - wall, cpuMs: (user + system) / 1000 };
}

const jobs = {
  /** Some generations side by side; what the prefill took is not counted. */
  async decode({ prompts, tokens }) {
    const streams = prompts.map((prompt) => contender.generate(prompt, tokens + 1));
    // The first token of each comes with its prompt.
    const firsts = await Promise.all(streams.map((stream) => stream.next()));
    let counted = 0;
    const said = firsts.map(({ value }) => [value]);
    const times = await timed(() =>
      Promise.all(
        streams.map(async (stream, index) => {
          for await (const token of stream) {
            counted++;
            said[index].push(token);
          }
        }),
      ),
    );
    return { ...times, tokens: counted, said };
  },
  /** The time from an abort inside a prefill to the end of the call. */
  async abort({ prompt }) {
    const controller = new AbortController();
    let startedAt;
    setTimeout(() => {
      startedAt = performance.now();
      controller.abort();
    }, 50);
    try {
      for await (const token of contender.generate(prompt, 1, controller.signal)) void token;
    } catch {
      // As it should.
    }
    return { ms: performance.now() - startedAt };
  },
  /** One conversation; the time until each answer begins. */
  async chat({ system, questions, tokens }) {
    const conversation = await contender.begin(system);
    const firstTokenMs = [];
    for (const question of questions) {
      const startedAt = performance.now();
      let first;
      await conversation.say(question, tokens, () => (first ??= performance.now() - startedAt));
      firstTokenMs.push(first);
    }
    await conversation.end();
    return { firstTokenMs };
  },
  async encode({ texts }) {
    return timed(() => contender.encode(texts));
  },
  async memory() {
    return { residentBytes: process.memoryUsage.rss() };
  },
};

process.on('message', ({ job, ...parameters }) => {
  jobs[job](parameters).then((result) => process.send(result));
});
process.send({ ready: true });
