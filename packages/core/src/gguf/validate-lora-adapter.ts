import { abortSignal, optionsObject } from '../errors/check-options.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { ByteSource } from '../platform/platform.js';
import { checkLlamaTensors } from './check-llama-tensors.js';
import { impossibleMetadata } from './gguf-errors.js';
import type { GgufLayout, GgufTensor } from './gguf-layout.js';
import { readGgufLayout } from './validate-gguf.js';

/** The model that an adapter is to be applied to: what its own header says. */
export interface LoraBase {
  /** Its architecture, as GGUF names it. */
  readonly architecture: string;
  /** Its tensors, of all parts of a split model. */
  readonly tensors: readonly Pick<GgufTensor, 'name' | 'shape' | 'type'>[];
}

/** What a sound LoRA adapter says of itself. */
export interface LoraAdapterFile {
  /** Its name, where the file holds one. */
  readonly name: string | undefined;
  /** Rank of its largest pair. */
  readonly rank: number;
  /** See `AdapterInfo.alpha`. */
  readonly alpha: number | undefined;
  /** Pairs of matrices, each of which changes one of the model's. */
  readonly pairs: readonly LoraPair[];
  /** Bytes of all tensors. */
  readonly weightBytes: number;
}

/** Two matrices whose product is added to one of the model's. */
export interface LoraPair {
  /** Name of the model's tensor. */
  readonly name: string;
  /** What reduces to the rank. */
  readonly a: GgufTensor;
  /** What leads back from there. */
  readonly b: GgufTensor;
}

/** Number formats that adapters come in, and that every back end of llama.cpp multiplies by. */
const formats = new Set(['F32', 'F16', 'BF16', 'Q8_0']);
const suffix = /\.lora_([ab])$/u;
const embeddings = 'token_embd.weight';
const checkOptions = optionsObject({ signal: abortSignal });

/**
 * Reads the header of a LoRA adapter of any origin and checks it against the model that it is to be
 * applied to: llama.cpp (as of 0.5.0) answers a type or a shape that it does not expect, when it is loaded
 * or first used, by an assertion that ends the process. Tensor data is not read.
 *
 * @throws MobillmError `MODEL_INVALID` where the file is damaged, no adapter, or contradicts itself;
 * `MODEL_UNSUPPORTED` where it does not fit the model, or asks for what llama.cpp does not apply;
 * `details.key` names the entry or tensor at fault.
 */
export async function validateLoraAdapter(
  source: ByteSource,
  base: LoraBase,
  options: { readonly signal?: AbortSignal } = {},
): Promise<LoraAdapterFile> {
  const { signal } = checkOptions(options, 'options');
  const layout = await readGgufLayout(source, signal);
  requireLora(layout, base);
  checkLlamaTensors(layout);
  const alpha = readAlpha(layout);
  const pairs = pairUp(layout.tensors);
  const tensors = new Map(base.tensors.map((tensor) => [tensor.name, tensor]));
  for (const pair of pairs) requireFit(pair, tensors);
  const name = layout.metadata.get('general.name')?.value;
  return {
    name: typeof name === 'string' && name !== '' ? name : undefined,
    rank: Math.max(...pairs.map(rankOf)),
    alpha,
    pairs,
    weightBytes: layout.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

function requireLora({ metadata }: GgufLayout, base: LoraBase): void {
  const word = (key: string) => {
    const entry = metadata.get(key);
    if (entry !== undefined && typeof entry.value !== 'string') {
      throw impossibleMetadata(key, 'is no string');
    }
    return entry?.value ?? 'missing';
  };
  if (word('general.type') !== 'adapter') {
    throw impossibleMetadata(
      'general.type',
      `is ${word('general.type')} and not "adapter": this is no adapter, open it as a model`,
    );
  }
  if (word('adapter.type') !== 'lora') {
    throw unfit(
      'adapter.type',
      `is ${word('adapter.type')}, and adapters of the type "lora" alone can be applied`,
    );
  }
  const architecture = word('general.architecture');
  if (architecture !== base.architecture) {
    throw unfit(
      'general.architecture',
      `is ${architecture}, and the model is of the architecture ${base.architecture}`,
    );
  }
  // Such an adapter takes effect behind certain tokens only: applied throughout, it would be another.
  if (metadata.has('adapter.alora.invocation_tokens')) {
    throw unfit(
      'adapter.alora.invocation_tokens',
      'makes it an activated LoRA, which is not applied yet',
    );
  }
}

function readAlpha({ metadata }: GgufLayout): number | undefined {
  const key = 'adapter.lora.alpha';
  const entry = metadata.get(key);
  if (entry === undefined) return undefined;
  const { type, value } = entry;
  if (type !== 'float32' || typeof value !== 'number')
    throw impossibleMetadata(key, 'is no float32');
  // At 0 llama.cpp takes it for not given, and applies what should have no effect.
  if (!Number.isFinite(value) || value === 0) {
    throw impossibleMetadata(key, `is ${value}, and it has to be a finite number beside 0`);
  }
  return value;
}

function pairUp(tensors: readonly GgufTensor[]): LoraPair[] {
  const halves = new Map<string, { a?: GgufTensor; b?: GgufTensor }>();
  for (const tensor of tensors) {
    const half = suffix.exec(tensor.name)?.[1];
    const name = tensor.name.replace(suffix, '');
    if (half === undefined || /\.lora_[ab]/u.test(name)) {
      throw unfit(
        tensor.name,
        'is neither a ".lora_a" nor a ".lora_b": what is trained beside the pairs would be left out',
      );
    }
    if (!formats.has(tensor.type.name)) {
      throw unfit(
        tensor.name,
        `is of ${tensor.type.name}, and only ${[...formats].join(', ')} can be applied`,
      );
    }
    const pair = halves.get(name) ?? {};
    halves.set(name, { ...pair, [half]: tensor });
  }
  if (halves.size === 0) throw impossibleMetadata('tensors', 'are none');
  return Array.from(halves, ([name, { a, b }]) => {
    if (a && b) return { name, a, b };
    throw impossibleMetadata(
      `${name}.lora_${a ? 'b' : 'a'}`,
      'is missing, the other half of a pair',
    );
  });
}

/** Four extents; those that are not given are 1. */
function extents({ shape }: Pick<GgufTensor, 'shape'>): readonly [number, number, number, number] {
  const [columns = 1, rows = 1, depth = 1, more = 1] = shape;
  return [columns, rows, depth, more];
}

function rankOf({ b }: LoraPair): number {
  return extents(b)[0];
}

function requireFit(
  pair: LoraPair,
  tensors: ReadonlyMap<string, LoraBase['tensors'][number]>,
): void {
  const { name, a, b } = pair;
  const tensor = tensors.get(name);
  if (!tensor) throw unfit(a.name, `changes "${name}", which the model does not have`);
  const [columns, rows, depth, more] = extents(tensor);
  if (tensor.shape.length < 2) throw unfit(a.name, `changes "${name}", which is no matrix`);
  if (tensor.type.name === 'NVFP4') {
    throw unfit(a.name, `changes "${name}", whose number format NVFP4 takes no adapter`);
  }
  const sizes = (shape: readonly number[]) => shape.join(' × ');
  const expect = (half: GgufTensor, wanted: readonly number[]) => {
    if (extents(half).every((extent, index) => extent === (wanted[index] ?? 1))) return;
    throw unfit(
      half.name,
      `is ${sizes(half.shape)} and not ${sizes(wanted)}, as "${name}" of the model asks for`,
    );
  };
  if (name !== embeddings) {
    // Ranks of one pair have to agree, whatever others have.
    const rank = rankOf(pair);
    expect(a, [columns, rank, depth, more]);
    expect(b, [rank, rows, depth, more]);
    return;
  }
  // Looked up by token, so the first half lies the other way round.
  const rank = rankOf(pair);
  expect(a, [rank, rows, depth, more]);
  expect(b, [rank, columns, depth, more]);
  if (!tensors.has('output.weight')) {
    throw unfit(
      a.name,
      'changes the embeddings of a model that scores tokens by them, too, which llama.cpp cannot',
    );
  }
}

function unfit(key: string, what: string): MobillmError {
  return new MobillmError(
    'MODEL_UNSUPPORTED',
    `This adapter cannot be applied to the model: "${key}" ${what}. Take an adapter that was made for this very model.`,
    { details: { what, key } },
  );
}
