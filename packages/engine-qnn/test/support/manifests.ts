import type { QnnManifest } from '@mobillm/core';

/** A sound manifest, as JSON has it. */
export function soundManifest(): QnnManifest & { readonly formatVersion: 1 } {
  return {
    formatVersion: 1,
    name: 'Tiny Llama of random weights',
    derivedFrom: {
      sourceSha256: 'a'.repeat(64),
      architecture: 'llama',
      vocabularySha256: 'b'.repeat(64),
    },
    parameters: {
      layers: 2,
      embeddingLength: 64,
      feedForwardLength: 128,
      heads: 4,
      kvHeads: 2,
      headLength: 16,
      vocabularySize: 267,
      rmsEpsilon: 1e-5,
      ropeBase: 10_000,
      ropeScale: 1,
      trainedContextTokens: 2048,
      parameterCount: 100_000,
    },
    contextTokens: 512,
    dtype: 'f16',
    ropePairing: 'neox',
    graphs: [
      { name: 'prefill_32', tokens: 32 },
      { name: 'decode', tokens: 1 },
    ],
    binaries: [{ file: 'model-0123456789ab.bin', bytes: 1000, sha256: 'c'.repeat(64) }],
    madeWith: {
      buildId: 'v2.51.0.260929181845',
      coreApi: '2.40.0',
      backendApi: '5.51.0',
      socModel: 57,
      htpArch: 75,
    },
    sharedWeights: false,
  };
}

/** A copy of a JSON value with one field, named by its path, replaced or (as `undefined`) removed. */
export function withField(value: unknown, path: string, replacement: unknown): unknown {
  const copy = structuredClone(value) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  let inner = copy;
  for (const name of names) inner = inner[name] as Record<string, unknown>;
  if (replacement === undefined) Reflect.deleteProperty(inner, last);
  else inner[last] = replacement;
  return copy;
}
