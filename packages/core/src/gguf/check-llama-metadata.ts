import { checkLlamaStates } from './check-llama-states.js';
import { checkLlamaTensors } from './check-llama-tensors.js';
import { checkLlamaVocabulary } from './check-llama-vocabulary.js';
import { impossibleMetadata, unsupportedAlignment } from './gguf-errors.js';
import type { GgufLayout } from './gguf-layout.js';
import { LlamaKeys } from './llama-keys.js';

/** `LLAMA_MAX_LAYERS` and `LLAMA_MAX_EXPERTS`. */
const maxLayers = 512;
const maxExperts = 1024;

/**
 * `TENSOR_ALIGNMENT` of ggml: it asserts that the first tensor of a mapped file lies at a multiple of
 * it in memory, whatever alignment the file declares.
 */
const mappedAlignment = 32;

const ropeScalings = new Set(['none', 'linear', 'yarn', 'longrope']);

/** Architectures without attention, where a head count of zero is no mistake. */
const attentionFree = new Set(['mamba', 'mamba2', 'rwkv6', 'rwkv6qwen2', 'rwkv7', 'arwkv7']);

/** Architectures that divide by the head count of the first layer. */
const firstHeads = new Set(['olmo2', 'phimoe']);

/** Architectures whose graph is asserted to have key heads as long as value heads. */
const equalHeads = new Set(
  (
    'bert bloom chatglm cohere2 command-r falcon glm4 gpt2 gptneox jais minimax-m2 mpt ' +
    'openelm phi2 phi3 qwen qwen3next refact stablelm starcoder'
  ).split(' '),
);

/** Architectures where, besides, the rotary embedding is asserted to cover the whole head. */
const fullRope = new Set(
  (
    'apertus arcee arctic baichuan chameleon codeshell dbrx deci deepseek dots1 dream ernie4_5 ' +
    'ernie4_5-moe exaone exaone4 granite granitemoe grok grovemoe hunyuan-dense hunyuan-moe ' +
    'internlm2 llada llada-moe llama llama4 mistral3 nemotron olmo olmo2 olmoe orion plamo qwen2 ' +
    'qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe seed_oss smallthinker smollm3 starcoder2 ' +
    'xverse'
  ).split(' '),
);

/**
 * Encoders whose attention is asserted to be as wide as the embedding, which has to be a multiple of the
 * heads then.
 */
const encoders = new Set(
  'bert eurobert jina-bert-v2 jina-bert-v3 modern-bert neo-bert nomic-bert nomic-bert-moe'.split(
    ' ',
  ),
);

/** Those of them that rotate keys, by no more than a head is long. */
const rotatingEncoders = new Set(
  'eurobert gemma-embedding jina-bert-v3 modern-bert neo-bert nomic-bert nomic-bert-moe'.split(' '),
);

/** Architectures whose experts llama.cpp forgets when there is one at most, however many are used. */
const singleExpertIgnored = new Set(['hunyuan-dense', 'hunyuan_vl']);

/** Architectures that are asserted to have experts. */
const alwaysExperts = new Set(['bailingmoe2', 'glm4moe', 'grovemoe', 'llada-moe', 'smallthinker']);

/**
 * Checks what llama.cpp (as of 0.5.0) takes for granted of a header and answers by an assertion, a
 * division by zero or a null function, which ends the process. What it answers by an error of its
 * own, missing keys above all, is left to it, since files for other uses lack them rightly.
 *
 * @throws MobillmError `MODEL_INVALID`, or `MODEL_UNSUPPORTED` for an alignment that is legal and
 * that llama.cpp cannot map; `details.key` names the entry at fault.
 */
export function checkLlamaMetadata(layout: GgufLayout): void {
  const { metadata } = layout;
  const architecture = metadata.get('general.architecture')?.value;
  // Projectors are loaded by other code, and llama.cpp refuses them as models.
  if (architecture === 'clip') return;
  if (layout.alignment % mappedAlignment !== 0) {
    throw unsupportedAlignment(layout.alignment, mappedAlignment);
  }
  checkLlamaTensors(layout);
  if (isLaterPart(layout)) return;
  if (typeof architecture === 'string') {
    const keys = new LlamaKeys(metadata, architecture);
    checkLayers(keys);
    checkExperts(keys, architecture);
    checkHeads(keys, architecture);
    checkNumbers(keys);
    checkLlamaStates(keys, architecture);
    checkEncoder(keys, architecture, layout);
    checkProjections(keys, architecture, layout);
  }
  checkLlamaVocabulary(metadata);
}

/**
 * Whether it is a part of a split model that describes no model. A number without a count says nothing to
 * llama.cpp, which then reads the file as a whole model.
 */
function isLaterPart({ metadata }: GgufLayout): boolean {
  const [number, count] = ['split.no', 'split.count'].map((key) =>
    Number(metadata.get(key)?.value),
  );
  return (number ?? 0) > 0 && (count ?? 0) > 1;
}

function checkLayers(keys: LlamaKeys): void {
  const layers = keys.number('block_count');
  if (layers === undefined) return;
  if (layers < 1 || layers > maxLayers) {
    keys.fail('block_count', `is ${layers}, and it has to be from 1 to ${maxLayers}`);
  }
  for (const name of ['nextn_predict_layers', 'posnet.block_count', 'convnext.block_count']) {
    const count = keys.number(name) ?? 0;
    if (count > layers) keys.fail(name, `is ${count}, more than the ${layers} layers there are`);
  }
}

function checkExperts(keys: LlamaKeys, architecture: string): void {
  let experts = keys.number('expert_count') ?? 0;
  let used = Math.max(0, ...keys.perLayer('expert_used_count'));
  const groups = keys.number('expert_group_count') ?? 0;
  const usedGroups = keys.number('expert_group_used_count') ?? 0;
  if (singleExpertIgnored.has(architecture) && experts <= 1) experts = used = 0;
  if (experts > maxExperts) {
    keys.fail('expert_count', `is ${experts}, and at most ${maxExperts} can be used`);
  }
  if (used > experts || (experts > 0 && used === 0)) {
    keys.fail('expert_used_count', `is ${used}, with ${experts} experts in all`);
  }
  if (experts === 0 ? groups !== 0 : groups >= experts) {
    keys.fail('expert_group_count', `is ${groups}, with ${experts} experts in all`);
  }
  if (groups > 1 && experts % groups !== 0) {
    keys.fail('expert_group_count', `is ${groups}, which does not divide ${experts} experts`);
  }
  if (groups > 1 && (usedGroups === 0 || usedGroups >= groups)) {
    keys.fail('expert_group_used_count', `is ${usedGroups}, with ${groups} groups in all`);
  }
  if (experts === 0 && alwaysExperts.has(architecture)) {
    keys.fail('expert_count', 'is 0 or missing, and this architecture is made of experts');
  }
}

function checkHeads(keys: LlamaKeys, architecture: string): void {
  const heads = keys.perLayer('attention.head_count');
  const kvHeads = keys.perLayer('attention.head_count_kv');
  const none = heads.every((count) => count === 0);
  if (
    heads.length > 0 &&
    (none || firstHeads.has(architecture)) &&
    !attentionFree.has(architecture)
  ) {
    if (heads[0] === 0) keys.fail('attention.head_count', 'is 0');
  }
  // An entry for each layer may mix kinds of layers; zeros then mean layers without attention.
  heads.forEach((count, layer) => {
    const kv = kvHeads.length > 1 ? kvHeads[layer] : kvHeads[0];
    if (kv !== undefined && kv > 0 && count % kv !== 0) {
      keys.fail('attention.head_count', `is ${count}, which ${kv} key heads do not divide`);
    }
  });
  const embedding = keys.number('embedding_length');
  if (embedding === 0) keys.fail('embedding_length', 'is 0');
  const first = heads[0];
  if (first === undefined || first === 0 || embedding === undefined) return;
  const share = Math.floor(embedding / first);
  const keyLength = keys.number('attention.key_length') ?? share;
  const valueLength = keys.number('attention.value_length') ?? share;
  const rope = keys.number('rope.dimension_count') ?? keyLength;
  const whole = fullRope.has(architecture);
  if ((whole || equalHeads.has(architecture)) && keyLength !== valueLength) {
    keys.fail('attention.value_length', `is ${valueLength}, with keys of ${keyLength}`);
  }
  if (whole && rope !== keyLength) {
    keys.fail('rope.dimension_count', `is ${rope}, with heads of ${keyLength}`);
  }
  if (rope % 2 !== 0) keys.fail('rope.dimension_count', `is ${rope}, and it has to be even`);
}

/** What the graphs of encoders assert beside what those of all models do. */
function checkEncoder(
  keys: LlamaKeys,
  architecture: string,
  { metadata, tensors }: GgufLayout,
): void {
  const embedding = keys.number('embedding_length') ?? 0;
  const heads = keys.perLayer('attention.head_count')[0] ?? 0;
  const keyLength = keys.number('attention.key_length') ?? Math.floor(embedding / heads);
  const valueLength = keys.number('attention.value_length') ?? Math.floor(embedding / heads);
  if (encoders.has(architecture)) {
    for (const [name, length] of [
      ['key_length', keyLength],
      ['value_length', valueLength],
    ] as const) {
      if (length * heads === embedding) continue;
      keys.fail(
        `attention.${name}`,
        `is ${length}, and ${heads} heads of it do not make ${embedding}`,
      );
    }
    if (metadata.get('tokenizer.ggml.token_type_count')?.value === 0) {
      throw impossibleMetadata('tokenizer.ggml.token_type_count', 'is 0');
    }
  }
  if (rotatingEncoders.has(architecture)) {
    const rotated = keys.number('rope.dimension_count') ?? keyLength;
    if (rotated !== keyLength || valueLength !== keyLength) {
      keys.fail('rope.dimension_count', `is ${rotated}, with heads of ${keyLength}`);
    }
  }
  if (architecture !== 'jina-bert-v2') return;
  const feedForward = keys.number('feed_forward_length') ?? 0;
  for (const { name, shape } of tensors) {
    const rows = shape[1] ?? 0;
    if (!name.endsWith('.ffn_up.weight') || rows === feedForward || rows === 2 * feedForward) {
      continue;
    }
    throw impossibleMetadata(name, `has ${rows} rows, with a feed-forward width of ${feedForward}`);
  }
}

/** Projections behind the last layer: each has to fit what comes before it, and the result the header. */
function checkProjections(keys: LlamaKeys, architecture: string, { tensors }: GgufLayout): void {
  const embedding = keys.number('embedding_length');
  if (embedding === undefined || architecture === 'wavtokenizer-dec') return;
  let length = embedding;
  for (const name of ['dense_2.weight', 'dense_3.weight']) {
    const shape = tensors.find((tensor) => tensor.name === name)?.shape;
    if (shape === undefined) continue;
    if (shape[0] !== length) {
      throw impossibleMetadata(name, `has rows of ${shape[0]}, for vectors of ${length}`);
    }
    length = shape[1] ?? 1;
  }
  const told = keys.number('embedding_length_out') ?? 0;
  if ((told === 0 ? embedding : told) !== length) {
    keys.fail('embedding_length_out', `is ${told}, and vectors have ${length} numbers in the end`);
  }
  if (architecture !== 'gemma-embedding') return;
  for (const name of ['dense_2_feat_in', 'dense_3_feat_out']) {
    const told = keys.number(name) ?? 0;
    if (told !== 0 && told !== embedding) {
      keys.fail(name, `is ${told}, with vectors of ${embedding}`);
    }
  }
}

function checkNumbers(keys: LlamaKeys): void {
  for (const name of ['layer_norm_rms_epsilon', 'layer_norm_epsilon', 'group_norm_epsilon']) {
    const epsilon = keys.number(`attention.${name}`);
    if (epsilon !== undefined && !(epsilon >= 0 && epsilon < Infinity)) {
      keys.fail(`attention.${name}`, `is ${epsilon}, and it has to be at least 0`);
    }
  }
  const scaling = keys.entry('rope.scaling.type')?.value;
  if (typeof scaling === 'string' && !ropeScalings.has(scaling)) {
    keys.fail(
      'rope.scaling.type',
      `is "${scaling}", which is none of ${[...ropeScalings].join(', ')}`,
    );
  }
}
