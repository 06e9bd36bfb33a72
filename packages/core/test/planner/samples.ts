import type { Device } from '../../src/engine/device.js';
import type { HardwareProfile } from '../../src/hardware/hardware-profile.js';
import type { PlanEngine } from '../../src/planner/plan-model.js';
import type { ModelDescription, ShapedModel } from '../../src/store/model-description.js';

function describe(
  name: string,
  architecture: string,
  shape: readonly [
    layers: number,
    embedding: number,
    heads: number,
    kvHeads: number,
    headLength: number,
    feedForward: number,
    vocabulary: number,
  ],
  rest: Required<
    Pick<
      ModelDescription,
      'parameterCount' | 'weightBytes' | 'quantization' | 'trainedContextTokens'
    >
  > &
    Partial<ModelDescription>,
): ShapedModel {
  const [
    layers,
    embeddingLength,
    attentionHeads,
    kvHeads,
    headLength,
    feedForwardLength,
    vocabularySize,
  ] = shape;
  return {
    name,
    architecture,
    layers,
    embeddingLength,
    attentionHeads,
    kvHeads,
    keyLength: headLength,
    valueLength: headLength,
    feedForwardLength,
    vocabularySize,
    ...rest,
  };
}

/** Published shapes, from a toy to what no phone holds. */
export const models = {
  smol: describe('SmolLM2-135M', 'llama', [30, 576, 9, 3, 64, 1536, 49152], {
    parameterCount: 134_515_008,
    weightBytes: 96_576_768,
    quantization: 'Q4_1',
    trainedContextTokens: 8192,
    tiedEmbedding: { bytes: 30_081_024, type: 'Q8_0' },
  }),
  qwen05: describe('Qwen2.5-0.5B', 'qwen2', [24, 896, 14, 2, 64, 4864, 151936], {
    parameterCount: 494_032_768,
    weightBytes: 278_139_392,
    quantization: 'Q4_0',
    trainedContextTokens: 32768,
    tiedEmbedding: { bytes: 76_575_744, type: 'Q4_0' },
  }),
  deepseek15: describe(
    'DeepSeek-R1-Distill-Qwen-1.5B',
    'qwen2',
    [28, 1536, 12, 2, 128, 8960, 151936],
    {
      parameterCount: 1_777_088_000,
      weightBytes: 1_000_110_080,
      quantization: 'Q4_0',
      trainedContextTokens: 131_072,
    },
  ),
  llama1: describe('Llama-3.2-1B', 'llama', [16, 2048, 32, 8, 64, 8192, 128256], {
    parameterCount: 1_235_814_400,
    weightBytes: 695_377_920,
    quantization: 'Q4_0',
    trainedContextTokens: 131_072,
    tiedEmbedding: { bytes: 147_750_912, type: 'Q4_0' },
  }),
  llama8: describe('Llama-3.1-8B', 'llama', [32, 4096, 32, 8, 128, 14336, 128256], {
    parameterCount: 8_030_261_248,
    weightBytes: 4_912_898_048,
    quantization: 'Q4_K_M',
    trainedContextTokens: 131_072,
  }),
  qwen7: describe('Qwen2.5-7B', 'qwen2', [28, 3584, 28, 4, 128, 18944, 152064], {
    parameterCount: 7_615_616_512,
    weightBytes: 4_284_930_048,
    quantization: 'Q4_0',
    trainedContextTokens: 131_072,
  }),
  gemma1: describe('Gemma-3-1B', 'gemma3', [26, 1152, 4, 1, 256, 6912, 262144], {
    parameterCount: 999_885_952,
    weightBytes: 562_897_408,
    quantization: 'Q4_0',
    trainedContextTokens: 32768,
    slidingWindowTokens: 512,
    tiedEmbedding: { bytes: 169_869_312, type: 'Q4_0' },
  }),
  qwen34: describe('Qwen3-4B', 'qwen3', [36, 2560, 32, 8, 128, 9728, 151936], {
    parameterCount: 4_022_468_096,
    weightBytes: 2_263_312_384,
    quantization: 'Q4_0',
    trainedContextTokens: 40960,
    tiedEmbedding: { bytes: 218_787_840, type: 'Q4_0' },
  }),
} as const satisfies Record<string, ModelDescription>;

/** The processor, as every engine has it. */
export const cpuDevice: Device = { id: 'cpu', kind: 'cpu', name: 'AMD EPYC' };

/** An engine like llama.cpp's. */
export const engine: PlanEngine = {
  name: 'llamacpp',
  capabilities: { maxSequences: 256 },
  devices: [cpuDevice],
};

/** A small server: two cores, so much memory of 16 GB available. */
export function serverWith(effectiveAvailableBytes: number): HardwareProfile {
  return {
    os: 'linux',
    arch: 'x64',
    cpu: {
      model: 'AMD EPYC',
      logicalCpus: 4,
      cores: 2,
      clusters: [
        {
          coreClass: 'performance',
          cores: 2,
          cpusByCore: [
            [0, 1],
            [2, 3],
          ],
        },
      ],
      allowedCpus: [0, 1, 2, 3],
      features: ['avx2'],
    },
    memory: {
      totalBytes: 16_000_000_000,
      availableBytes: effectiveAvailableBytes,
      effectiveAvailableBytes,
    },
    unknown: [],
  };
}
