// Builds the llama.cpp engine's addon for Linux on arm64 on another machine, and runs it there in Node
// under qemu: what it says has to be what this machine's addon says, judged as engines are compared with
// each other (docs/writing-an-engine.md): fed the same tokens, the same choice wherever this one is sure.
//   node scripts/cross-build-arm64.mjs             kernels for ARMv8.2 with dot products, quick to build
//   node scripts/cross-build-arm64.mjs --release   one kernel a generation, as it is shipped; of those that
//                                                  this compiler knows (SME needs GCC 14)
// Needs "npm run build" and "npm run build:native". Nothing but the compiler and qemu is installed for all.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultModelAloud } from './default-model.mjs';
import { greedySpec } from './lib/driver-runner.mjs';
import { EmulatedModel } from './lib/emulated-model.mjs';
import { ensureNodeArm64 } from './lib/node-arm64.mjs';
import { findProgram, requireTools } from './lib/tools.mjs';
import { runMain, UserError } from './lib/user-error.mjs';
import { root } from './lib/workspace.mjs';

const packageFolder = join(root, 'packages', 'engine-llamacpp');

/**
 * Processors that qemu takes the part of, and the kernels that a release has for them. Those for SVE without
 * SVE2 (`armv8.2_3`, `armv8.6_1`) are for none that qemu 7.2 knows: an A64FX has no dot products.
 */
const processors = {
  quick: { 'cortex-a76': undefined },
  release: {
    'cortex-a53': 'armv8.0_1',
    a64fx: 'armv8.0_1',
    'cortex-a76': 'armv8.2_2',
    'neoverse-n1': 'armv8.2_2',
    max: 'armv8.6_2',
  },
};

/**
 * Prompts of the tiny model with random weights in F32, where rounding differs by the order of sums alone.
 * A margin is the difference of two log-probabilities within which rounding decides.
 */
const exact = {
  margin: 0.001,
  prompts: [
    [1, 17, 5],
    [1, 40, 41, 42, 7, 9],
    [1, 3],
  ],
};

/** Prompts of the default model, whose Q4_1 weights are multiplied with activations in 8 bits. */
const quantized = {
  margin: 0.25,
  prompts: [
    'The capital of France is',
    'def fibonacci(n):\n',
    'List three primary colors:\n1.',
    'Photosynthesis is the process by which',
  ],
};

/** Positions that are compared after each prompt. */
const steps = 12;

/** Tokens of a run that is left to itself. */
const freeTokens = 24;

await runMain(async () => {
  const { values } = parseArgs({ options: { release: { type: 'boolean' } } });
  const flavour = values.release ? 'release' : 'quick';
  requireTools(['git', 'cmake', 'ninja', 'cxx']);
  const emulator = requireCrossTools();
  const addon = await build(flavour);
  const node = await ensureNodeArm64();
  const work = mkdtempSync(join(tmpdir(), 'mobillm-arm64-'));
  try {
    const { writeTinyLlamaGguf } = await importBuilt('core', 'testing/index.js');
    const tiny = join(work, 'tiny-f32.gguf');
    await writeTinyLlamaGguf(tiny);
    const models = [
      { name: 'tiny F32', path: tiny, ...exact },
      { name: 'default Q4_1', path: await ensureDefaultModelAloud(), ...quantized },
    ];
    for (const [processor, kernels] of Object.entries(processors[flavour])) {
      for (const item of models)
        await judge({ emulator, processor, kernels, node, addon, ...item });
    }
  } finally {
    rmSync(work, { recursive: true });
  }
});

/** @returns {string} path of qemu */
function requireCrossTools() {
  const compiler = findProgram('aarch64-linux-gnu-g++');
  const emulator = findProgram('qemu-aarch64-static') ?? findProgram('qemu-aarch64');
  if (compiler !== undefined && emulator !== undefined) return emulator;
  const missing = [
    compiler === undefined && 'aarch64-linux-gnu-g++',
    emulator === undefined && 'qemu-aarch64',
  ].filter(Boolean);
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  throw new UserError(
    `${missing.join(' and ')} not found: on Debian and Ubuntu, install with "${sudo}apt-get install -y g++-aarch64-linux-gnu qemu-user-static". Without root, run this in a container of Debian; a machine with arm64 needs none of it, but "npm run build:native".`,
  );
}

/** @returns {Promise<string>} path of the addon */
async function build(flavour) {
  const { addonFile, compile } = await import('../packages/core/native/scripts/compile.mjs');
  const { engine, buildInputs } = await import('../packages/engine-llamacpp/scripts/engine.mjs');
  const startedAt = performance.now();
  const { definitions, sources } = await buildInputs();
  const buildFolder = join(
    packageFolder,
    flavour === 'release' ? 'build-arm64-release' : 'build-arm64',
  );
  await compile({
    packageFolder,
    addonName: engine.addonName,
    buildFolder,
    sources,
    definitions: {
      ...definitions,
      CMAKE_TOOLCHAIN_FILE: join(root, 'packages', 'core', 'native', 'cmake', 'linux-arm64.cmake'),
      ...(flavour === 'release'
        ? { MOBILLM_RELEASE: 'ON' }
        : { GGML_CPU_ARM_ARCH: 'armv8.2-a+dotprod+fp16' }),
    },
  });
  console.log(`built for arm64 in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  return addonFile(buildFolder, engine.addonName);
}

/** Compares what an emulated processor says with what this one says. */
async function judge(item) {
  const { emulator, processor, kernels, node, addon, name, path, prompts, margin } = item;
  const { compareTeacherForced } = await importBuilt('core', 'testing/index.js');
  const { createLlamaCppDriver } = await importBuilt('engine-llamacpp', 'index.js');
  const startedAt = performance.now();
  const driver = await createLlamaCppDriver();
  const model = await driver.open(
    { format: 'gguf', files: [{ path, role: 'weights' }] },
    { contextTokens: 512, sequences: 1, threads: 1 },
  );
  const emulated = await EmulatedModel.open({ emulator, processor, node, addon, path });
  try {
    console.log(`${processor}, ${name}: ${emulated.kernels ?? 'one build'}, ${emulated.library}`);
    const expected = kernels && `libggml-cpu-${kernels}.so`;
    if (emulated.kernels !== expected) {
      throw new UserError(`${processor} was to run ${expected}, and runs ${emulated.kernels}.`);
    }
    const equal = await countEqual(model, emulated, prompts[0]);
    const capabilities = { exportKv: false, logprobs: true };
    const { compared, skipped, largestDifference } = await compareTeacherForced({
      reference: { model, capabilities },
      candidate: { model: emulated, capabilities },
      ...{ prompts, steps, margin },
    });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    console.log(
      `ok: ${processor}, ${name}: ${compared} of ${compared} tokens the same (${skipped} near-ties skipped, log-probabilities at most ${largestDifference.toPrecision(2)} apart); left to itself, ${equal} of ${freeTokens} before the first other one; ${seconds} s`,
    );
  } finally {
    await emulated.close();
    await model.close();
    await driver.close?.();
  }
}

/** Greedy tokens after a prompt up to which both are of one opinion, each left to itself. */
async function countEqual(model, emulated, text) {
  const prompt =
    typeof text === 'string' ? model.tokenizer.encode(text, { addSpecial: true }) : text;
  const own = await model.createSequence();
  const expected = [];
  for await (const { tokens } of own.generate(prompt, greedySpec(freeTokens))) {
    expected.push(...tokens);
  }
  await own.close();
  const { tokens } = await emulated.ask({ fresh: true, tokens: prompt, count: freeTokens });
  const parting = expected.findIndex((token, index) => tokens[index] !== token);
  return parting === -1 ? expected.length : parting;
}

async function importBuilt(name, file) {
  const path = join(root, 'packages', name, 'dist', file);
  if (!existsSync(path)) throw new UserError(`${path} is missing: run "npm run build" first.`);
  return import(path);
}
