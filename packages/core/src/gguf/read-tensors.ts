import type { GgufTensor } from './gguf-layout.js';
import { damagedGguf, truncatedGguf } from './gguf-errors.js';
import { ggmlTypes, type GgmlType } from './ggml-types.js';
import type { HeaderReader } from './header-reader.js';
import { readName } from './read-metadata.js';

/** `GGML_MAX_NAME` less the terminating zero, and `GGML_MAX_DIMS`. */
const maxNameBytes = 63;
const maxDimensions = 4;

/** A tensor with its offset still counted from the start of tensor data. */
export type UnplacedTensor = Omit<GgufTensor, 'offset'> & { readonly dataOffset: number };

/** Reads the description of one tensor and computes the size of its data. */
export async function readTensor(reader: HeaderReader): Promise<UnplacedTensor> {
  const name = await readName(reader, 'a tensor name', maxNameBytes);
  if (!reader.has(4)) await reader.fill(4);
  const dimensionsOffset = reader.position;
  const dimensions = reader.uint32();
  if (dimensions > maxDimensions) {
    throw damagedGguf(`tensor "${name}" claims ${dimensions} dimensions`, dimensionsOffset);
  }
  const restBytes = dimensions * 8 + 12;
  if (!reader.has(restBytes)) await reader.fill(restBytes);
  const shape: number[] = [];
  let elementCount = 1;
  for (let i = 0; i < dimensions; i++) {
    const extent = reader.size(`dimension ${i} of tensor "${name}"`);
    elementCount *= extent;
    if (extent === 0 || !Number.isSafeInteger(elementCount)) {
      throw damagedGguf(
        `tensor "${name}" has the impossible shape ${[...shape, extent].join(' × ')}`,
        dimensionsOffset,
      );
    }
    shape.push(extent);
  }
  const type = readTensorType(reader, name);
  const rowElements = shape[0] ?? 1;
  if (rowElements % type.blockElements !== 0) {
    throw damagedGguf(
      `tensor "${name}" has rows of ${rowElements} weights, which is not a multiple of the ${type.blockElements} of ${type.name}`,
      dimensionsOffset,
    );
  }
  const byteLength = (elementCount / type.blockElements) * type.blockBytes;
  if (!Number.isSafeInteger(byteLength)) {
    throw damagedGguf(`tensor "${name}" claims ${byteLength} bytes`, dimensionsOffset);
  }
  const dataOffset = reader.size(`the offset of tensor "${name}"`);
  return { name, type, shape, elementCount, byteLength, dataOffset };
}

function readTensorType(reader: HeaderReader, name: string): GgmlType {
  const offset = reader.position;
  const id = reader.uint32();
  const type = ggmlTypes.get(id);
  if (type === undefined) {
    throw damagedGguf(
      `tensor "${name}" has the number format ${id}, which is unknown or was withdrawn`,
      offset,
    );
  }
  return type;
}

/**
 * Turns offsets within tensor data into offsets of the file, after checking that each tensor starts
 * where the one before it ends (padded to the alignment), as llama.cpp's reader demands, and that
 * the last one ends inside the file. So no two tensors overlap.
 */
export function placeTensors(
  tensors: readonly UnplacedTensor[],
  dataOffset: number,
  alignment: number,
  fileBytes: number,
): GgufTensor[] {
  let expected = 0;
  // A vocabulary alone has no tensors, and then no padding after its header either.
  let end = 0;
  const placed = tensors.map(({ dataOffset: offset, ...tensor }) => {
    if (offset !== expected) {
      throw damagedGguf(
        `tensor "${tensor.name}" starts at byte ${offset} of the tensor data and not at ${expected}, where the tensor before it ends`,
        dataOffset,
      );
    }
    end = dataOffset + offset + tensor.byteLength;
    expected = offset + Math.ceil(tensor.byteLength / alignment) * alignment;
    if (!Number.isSafeInteger(dataOffset + expected)) {
      throw damagedGguf(`tensor "${tensor.name}" ends beyond any file`, dataOffset);
    }
    return { ...tensor, offset: dataOffset + offset };
  });
  if (end > fileBytes) throw truncatedGguf(end, fileBytes);
  return placed;
}
