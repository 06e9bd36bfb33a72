import { writeGguf } from '@mobillm/core/testing';

/** A GGUF file that is no model of its own: the header of an image projector and one tensor. */
export const projector = writeGguf({
  metadata: { 'general.architecture': 'clip', 'general.type': 'mmproj' },
  tensors: [{ name: 'mm.0', type: 'F32', shape: [16], data: new Uint8Array(64) }],
});
