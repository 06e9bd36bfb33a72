import type { LlamaKeys } from './llama-keys.js';

/** Architectures that divide the width of their state by the numbers of its heads and groups. */
const grouped = new Set(
  'falcon-h1 granitehybrid mamba2 nemotron_h nemotron_h_moe plamo2 qwen35 qwen35moe qwen3next'.split(
    ' ',
  ),
);

/** Those of them whose groups share heads: the heads have to be a multiple of the groups. */
const sharedHeads = new Set(['qwen35', 'qwen35moe', 'qwen3next']);

/** Architectures that are asserted to have a state twice as wide as the embedding. */
const doubled = new Set(['granitehybrid', 'jamba']);

/** Architectures that are asserted to rotate by at least one of three sections, and may do without the entry. */
const sectioned = new Set('paddleocr qwen2vl qwen35 qwen35moe qwen3vl qwen3vlmoe'.split(' '));

/** Numbers by which llama.cpp divides, whatever the architecture. */
const divisors = ['full_attention_interval', 'wkv.head_size'];

/**
 * Checks the numbers of layers that keep a state in place of keys, and of positions with several
 * parts: llama.cpp divides by them, or asserts that they fit.
 *
 * @throws MobillmError `MODEL_INVALID`; `details.key` names the entry at fault.
 */
export function checkLlamaStates(keys: LlamaKeys, architecture: string): void {
  for (const name of divisors) if (keys.number(name) === 0) keys.fail(name, 'is 0');
  if (architecture === 'ernie4_5-moe' && keys.number('interleave_moe_layer_step') === 0) {
    keys.fail('interleave_moe_layer_step', 'is 0');
  }
  if (grouped.has(architecture)) checkGroups(keys, sharedHeads.has(architecture));
  const width = keys.number('ssm.inner_size');
  const embedding = keys.number('embedding_length');
  if (doubled.has(architecture) && width !== undefined && embedding !== undefined) {
    if (width !== 2 * embedding) {
      keys.fail('ssm.inner_size', `is ${width}, with an embedding of ${embedding}`);
    }
  }
  if (!sectioned.has(architecture)) return;
  const sections = keys.perLayer('rope.dimension_sections');
  if (!sections.slice(0, 3).some((length) => length > 0 && length < 2 ** 31)) {
    keys.fail('rope.dimension_sections', 'has no section that is longer than 0');
  }
}

function checkGroups(keys: LlamaKeys, share: boolean): void {
  const width = keys.number('ssm.inner_size') ?? 0;
  const heads = keys.number('ssm.time_step_rank');
  const groups = keys.number('ssm.group_count');
  for (const [name, count] of [
    ['time_step_rank', heads],
    ['group_count', groups],
  ] as const) {
    if (count === undefined) continue;
    if (count === 0 || width % count !== 0) {
      keys.fail(`ssm.${name}`, `is ${count}, which does not divide a state of ${width} numbers`);
    }
  }
  if (share && heads !== undefined && groups !== undefined && heads % groups !== 0) {
    keys.fail('ssm.time_step_rank', `is ${heads}, which ${groups} groups do not divide`);
  }
}
