import type { GgufTensor, LlamaLayerTensors, LlamaParameters } from '@mobillm/core';
import type { NativeWeight, NativeWeightPart } from '../addon.js';

/**
 * What the weights of the file become: MLC's names, queries, keys and values joined, gate and up joined,
 * and the rows of queries and keys in halves, which is how the compiled model rotates them.
 */
export function planWeights(parameters: LlamaParameters): readonly NativeWeight[] {
  const { tensors, headLength, tiedEmbedding } = parameters;
  return [
    matrix('model.embed_tokens', part(tensors.tokenEmbedding)),
    ...tensors.layers.flatMap((layer, index) =>
      layerWeights(`model.layers.${index}`, layer, headLength),
    ),
    vector('model.norm', tensors.outputNorm),
    ...(tiedEmbedding ? [] : [matrix('lm_head', part(tensors.output))]),
  ];
}

function layerWeights(
  name: string,
  layer: LlamaLayerTensors,
  headLength: number,
): readonly NativeWeight[] {
  return [
    vector(`${name}.input_layernorm`, layer.attentionNorm),
    matrix(
      `${name}.self_attn.qkv_proj`,
      part(layer.query, headLength),
      part(layer.key, headLength),
      part(layer.value),
    ),
    matrix(`${name}.self_attn.o_proj`, part(layer.attentionOutput)),
    vector(`${name}.post_attention_layernorm`, layer.feedForwardNorm),
    matrix(`${name}.mlp.gate_up_proj`, part(layer.gate), part(layer.up)),
    matrix(`${name}.mlp.down_proj`, part(layer.down)),
  ];
}

function matrix(name: string, ...parts: readonly NativeWeightPart[]): NativeWeight {
  return { name, kind: 'matrix', parts };
}

function vector(name: string, tensor: GgufTensor): NativeWeight {
  return { name, kind: 'vector', parts: [part(tensor)] };
}

function part(tensor: GgufTensor, rotatedHeadLength = 0): NativeWeightPart {
  const [columns = 1, rows = 1] = tensor.shape;
  const { name, offset } = tensor;
  return { name, type: tensor.type.id, offset, columns, rows, rotatedHeadLength };
}
