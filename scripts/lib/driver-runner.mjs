/** What a driver is asked for where it is measured: the most probable token, so many times. */
export function greedySpec(maxTokens) {
  return {
    maxTokens,
    keepLogits: false,
    endTokens: new Set(),
    logprobs: undefined,
    speculation: 'off',
    creditTokens: 64,
    sampling: {
      ...{ logitBias: [], repeatPenalty: 1, frequencyPenalty: 0, presencePenalty: 0 },
      ...{ penaltyLastTokens: 0, topK: 0, topP: 1, minP: 0, temperature: 0, seed: 0 },
    },
  };
}

/** An engine under measurement: one model, driven below core so that only the engine is measured. */
export class DriverRunner {
  /** Opens files on a driver, which is closed with the runner. */
  static async open(driver, files, { context, batch, threads }) {
    const model = await driver.open(files, {
      contextTokens: context,
      sequences: 1,
      threads,
      engineOptions: { batchTokens: batch },
    });
    return new DriverRunner(driver, model);
  }

  constructor(driver, model) {
    this.driver = driver;
    this.model = model;
  }

  /**
   * The same as the reference's `run`; every token is pulled by JavaScript, as an application does. What
   * else is asked of the driver, such as a grammar, comes as `more`.
   */
  async run(prompt, maxTokens, more = {}) {
    const sequence = await this.model.createSequence();
    const tokens = [];
    let rejectedTokens = 0;
    let prefillMs;
    let prefillCpuMs;
    let wall = performance.now();
    let cpu = process.cpuUsage();
    for await (const batch of sequence.generate(prompt, { ...greedySpec(maxTokens), ...more })) {
      tokens.push(...batch.tokens);
      rejectedTokens = batch.rejectedTokens ?? rejectedTokens;
      if (prefillMs === undefined && batch.prefilledTokens === prompt.length) {
        prefillMs = performance.now() - wall;
        prefillCpuMs = cpuMs(cpu);
        wall = performance.now();
        cpu = process.cpuUsage();
      }
    }
    const result = {
      prefillMs,
      prefillCpuMs,
      decodeMs: performance.now() - wall,
      decodeCpuMs: cpuMs(cpu),
      tokens,
      rejectedTokens,
    };
    await sequence.close();
    return result;
  }

  /** Milliseconds from aborting inside a prefill of so many tokens to the rejection. */
  async abortLatency(prompt) {
    const sequence = await this.model.createSequence();
    const controller = new AbortController();
    const stream = sequence.generate(prompt, greedySpec(1), controller.signal);
    const pulls = stream[Symbol.asyncIterator]();
    await pulls.next();
    const pending = pulls.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const startedAt = performance.now();
    controller.abort();
    await pending.catch(() => undefined);
    const ms = performance.now() - startedAt;
    await sequence.close();
    return ms;
  }

  async close() {
    await this.model.close();
    await this.driver.close?.();
  }
}

function cpuMs(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}
