import { parseQnnManifest, qnnManifestFileName, usableContextTokens } from '@mobillm/core';
import { chatTemplateOf, companionsOf } from './companions.js';
import { readWhole, requireFile } from './file-tree.js';
import type { FolderFormat } from './folder-format.js';

const maxManifestBytes = 2 ** 20;

/** A model that this project's own compiler has made for a Qualcomm NPU: manifest, context binary, tokenizer. */
export const qnnContextFormat: FolderFormat = {
  name: 'qnn-context',
  entryName: qnnManifestFileName,
  matches: (names) => names.includes(qnnManifestFileName),
  async read(tree, signal) {
    const bytes = await readWhole(tree, qnnManifestFileName, maxManifestBytes, signal);
    const label = `${tree.where}/${qnnManifestFileName}`;
    const manifest = parseQnnManifest(new TextDecoder().decode(bytes), label);
    const [binary] = manifest.binaries;
    const { parameters } = manifest;
    const entry = await requireFile(tree, qnnManifestFileName, qnnManifestFileName);
    const weights = await requireFile(tree, binary.file, qnnManifestFileName, binary.bytes);
    return {
      files: [
        { ...entry, role: 'weights' },
        { ...weights, role: 'weights', sha256: binary.sha256 },
        ...(await companionsOf(tree)),
      ],
      describe: async () => ({
        architecture: manifest.derivedFrom.architecture,
        ...(manifest.name !== undefined && { name: manifest.name }),
        parameterCount: parameters.parameterCount,
        weightBytes: binary.bytes,
        quantization: manifest.dtype.toUpperCase(),
        layers: parameters.layers,
        embeddingLength: parameters.embeddingLength,
        attentionHeads: parameters.heads,
        kvHeads: parameters.kvHeads,
        keyLength: parameters.headLength,
        valueLength: parameters.headLength,
        feedForwardLength: parameters.feedForwardLength,
        vocabularySize: parameters.vocabularySize,
        trainedContextTokens: usableContextTokens(manifest),
        ...(await chatTemplateOf(tree, signal)),
      }),
    };
  },
};
