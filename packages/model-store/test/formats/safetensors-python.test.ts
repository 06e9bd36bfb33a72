import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { readSafetensorsHeader } from '../../src/formats/safetensors/header.js';
import { noHubClient, runHubClient } from '../servers/hub-client.js';
import { tensor, withHeader, writeSafetensors } from '../support/safetensors-writer.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const one = { dtype: 'F32', shape: [4], data_offsets: [0, 16] };
const header = (value: unknown) => withHeader(JSON.stringify(value), [new Uint8Array(16)]);

/** Files, and whether they are sound. */
const files: Readonly<Record<string, readonly [Uint8Array, boolean]>> = {
  'two tensors': [writeSafetensors([tensor('a', 'F32', [2, 3]), tensor('b', 'BF16', [8])]), true],
  'a tensor without values': [
    writeSafetensors([tensor('a', 'F32', [0, 3]), tensor('b', 'I32', [2])]),
    true,
  ],
  'a number without extents': [writeSafetensors([tensor('a', 'F32', [])]), true],
  'spaces behind the header': [
    withHeader(`${JSON.stringify({ a: one })}    `, [new Uint8Array(16)]),
    true,
  ],
  'a file cut short': [header({ a: one }).subarray(0, -1), false],
  'a header beyond the end': [withHeader('{}', [], 1000), false],
  'tensors that overlap': [header({ a: one, b: one }), false],
  'a gap': [header({ a: { ...one, shape: [2], data_offsets: [8, 16] } }), false],
  'bytes behind the last': [header({ a: { ...one, shape: [2], data_offsets: [0, 8] } }), false],
  'a shape of another size': [header({ a: { ...one, shape: [3] } }), false],
  'an unknown type': [header({ a: { ...one, dtype: 'X9' } }), false],
};

describe.skipIf(noHubClient)(
  `the header of a safetensors file, beside Python's safetensors${noHubClient ? ` (${noHubClient})` : ''}`,
  () => {
    it.each(Object.entries(files))('%s', async (_, [bytes, isSound]) => {
      const path = `${folder.path}/model.safetensors`;
      await writeFile(path, bytes);
      const theirs = await runHubClient(
        `import json, sys
from safetensors import deserialize
try:
  found = deserialize(open("${path}", "rb").read())
  print(json.dumps(sorted([name, t["dtype"], t["shape"], len(t["data"])] for name, t in found)))
except Exception as e:
  print("refused")`,
        { HF_HOME: folder.path },
      );
      const source = await nodeFileSystem.open(path);
      const ours = await readSafetensorsHeader(source, path, new AbortController().signal).then(
        (tensors) =>
          JSON.stringify(
            tensors
              .map(
                ({ name, dtype, shape, byteLength }) => [name, dtype, shape, byteLength] as const,
              )
              .sort(([a], [b]) => (a < b ? -1 : 1)),
          ),
        () => 'refused',
      );
      await source.close();
      expect(ours).toBe(
        JSON.stringify(theirs === 'refused' ? theirs : JSON.parse(theirs)).replaceAll(/^"|"$/g, ''),
      );
      expect(ours !== 'refused').toBe(isSound);
    });
  },
);
