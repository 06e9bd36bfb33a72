import { createHash } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeGguf } from '@mobillm/core/testing';

const layers = 32;
const width = 4096;
const u32 = (value) => ({ type: 'uint32', value });

/**
 * A model file as large as people have them: the header of an 8B model of Llama 3's form (128,256 tokens and
 * 280,147 merges, 7 MB to read), and as many bytes of weights as are wanted, which are a hole in the file.
 */
export async function writeLargeModel(path, bytes) {
  const tokens = Array.from({ length: 128_256 }, (_, index) => `token${index}`);
  const merges = Array.from({ length: 280_147 }, (_, index) => `t${index % 997} k${index}`);
  const header = {
    metadata: {
      'general.architecture': 'llama',
      'general.name': 'As large as people have them',
      'llama.block_count': u32(layers),
      'llama.context_length': u32(131_072),
      'llama.embedding_length': u32(width),
      'llama.feed_forward_length': u32(14_336),
      'llama.attention.head_count': u32(32),
      'llama.attention.head_count_kv': u32(8),
      'llama.attention.layer_norm_rms_epsilon': { type: 'float32', value: 1e-5 },
      'llama.rope.dimension_count': u32(128),
      'llama.vocab_size': u32(tokens.length),
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': {
        type: 'array',
        elementType: 'int32',
        value: tokens.map(() => 1),
      },
      'tokenizer.ggml.merges': merges,
      'tokenizer.chat_template': 'x'.repeat(5000),
    },
    tensors: [],
  };
  // One tensor for each layer; only their number and their sizes matter here.
  const rows = Math.floor((bytes - 8 * 2 ** 20) / layers / width / 2);
  const tensors = Array.from({ length: layers }, (_, layer) => ({
    name: `blk.${layer}.ffn_down.weight`,
    type: 'F16',
    shape: [width, rows],
    // The writer places tensors by the length of this alone, and no byte of it is written here.
    data: { byteLength: rows * width * 2 },
  }));
  const start = writeGguf({
    ...header,
    tensors: tensors.map((one) => ({ ...one, data: new Uint8Array(0) })),
  });
  const placed = placeTensors(start, tensors);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, placed);
  const file = await open(path, 'r+');
  await file.truncate(placed.byteLength + layers * rows * width * 2);
  await file.close();
}

/** Sets the offsets in a header that was written for tensors without data. */
function placeTensors(header, tensors) {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const text = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    const at = text.lastIndexOf(name) + name.length + 4 + shape.length * 8 + 4;
    view.setBigUint64(at, BigInt(offset), true);
    offset += data.byteLength;
  }
  return header;
}

/** Puts a file of some name into a folder as Ollama does; its content is told by no more than its name. */
export async function putIntoOllama(folder, write) {
  const sha256 = createHash('sha256').update(folder).digest('hex');
  const path = `${folder}/blobs/sha256-${sha256}`;
  const size = await write(path);
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config: { mediaType: 'application/vnd.docker.container.image.v1+json' },
    layers: [{ mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${sha256}`, size }],
  };
  const manifests = `${folder}/manifests/registry.ollama.ai/library/large`;
  await mkdir(manifests, { recursive: true });
  await writeFile(`${manifests}/latest`, JSON.stringify(manifest));
}
