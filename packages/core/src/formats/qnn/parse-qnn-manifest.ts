import * as check from '../../errors/check-options.js';
import { wrongType, wrongValue } from '../../errors/invalid-argument.js';
import { MobillmError } from '../../errors/mobillm-error.js';
import { matching, optional, required, sha256 as sha256Text } from '../fields.js';
import { qnnManifestVersion, type QnnManifest } from './qnn-manifest.js';

/** Most bytes of one sequence's cache; what is more is no model for a device. */
const mostCacheBytes = 2 ** 40;

const count = (max: number) => required(check.integer({ min: 1, max }));
const sha256 = required(sha256Text);
const version = required(matching(/^\d{1,5}\.\d{1,5}\.\d{1,5}$/, 'a version such as 2.40.0'));

const parameters = exactly({
  // These are no wider than what the addon takes: beyond it stands a wrong call, not a bad model.
  layers: count(512),
  embeddingLength: count(2 ** 16),
  feedForwardLength: count(2 ** 20),
  heads: count(1024),
  kvHeads: count(1024),
  headLength: count(1024),
  vocabularySize: count(2 ** 21),
  rmsEpsilon: required(check.number({ min: 0, exclusiveMin: true, max: 1 })),
  ropeBase: required(check.number({ min: 1, max: 1e12 })),
  ropeScale: required(check.number({ min: 1e-6, max: 1e6 })),
  trainedContextTokens: count(2 ** 31),
  parameterCount: count(Number.MAX_SAFE_INTEGER),
});

const graph = exactly({
  // What a C string of the library's can hold, and a message can show.
  name: required(matching(/^[\w.-]{1,64}$/, 'a name of 1 to 64 letters, digits and _ . -')),
  tokens: count(4096),
});

const binary = exactly({
  // No separator, no leading dot: the file lies in the folder, and nowhere else.
  file: required(matching(/^\w[\w.-]{0,127}$/, 'the name of a file in the folder, without a path')),
  bytes: count(2 ** 36),
  sha256,
});

const manifest = exactly({
  formatVersion: required(check.integer({ min: qnnManifestVersion, max: qnnManifestVersion })),
  name: optional(matching(/^[^\p{Cc}]{1,256}$/u, 'a name of 1 to 256 characters')),
  derivedFrom: exactly({
    sourceSha256: sha256,
    architecture: required(check.oneOf('llama')),
    vocabularySha256: sha256,
  }),
  parameters,
  contextTokens: required(check.integer({ min: 2, max: 2 ** 20 })),
  dtype: required(check.oneOf('f16')),
  ropePairing: required(check.oneOf('neox')),
  graphs: list(graph, 16),
  binaries: list(binary, 16),
  madeWith: exactly({
    buildId: required(matching(/^[\x21-\x7e]{1,128}$/, 'a build id')),
    coreApi: version,
    backendApi: version,
    socModel: required(check.integer({ min: 0, max: 1_000_000 })),
    htpArch: required(check.integer({ min: 0, max: 10_000 })),
  }),
  sharedWeights: required(check.boolean),
});

/**
 * Reads a manifest, which may come from anywhere: every field is bounded before it is used, and what
 * is not known is refused.
 *
 * @param text content of the file
 * @param path the file, for messages
 * @throws MobillmError `MODEL_INVALID` naming the field; `MODEL_UNSUPPORTED` for what a later version
 * of this package may know.
 */
export function parseQnnManifest(text: string, path: string): QnnManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, '', 'it is no JSON', error);
  }
  refuseUnknown(value, path);
  try {
    const { formatVersion: _, name, binaries, ...rest } = manifest(value, '');
    const [only] = binaries;
    if (only === undefined) throw wrongValue('binaries', 'is empty');
    const result = { ...rest, binaries: [only], ...(name !== undefined && { name }) } as const;
    checkTogether(result);
    return result;
  } catch (error) {
    const { key } = error as { readonly key?: unknown };
    if (MobillmError.is(error) || typeof key !== 'string') throw error;
    throw invalid(path, key, (error as Error).message, error);
  }
}

/** Sound manifests of another kind, told from broken ones before anything else is looked at. */
function refuseUnknown(value: unknown, path: string): void {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly [name: string]: unknown;
  };
  const { formatVersion, dtype, ropePairing, derivedFrom, binaries } = fields;
  if (Number.isSafeInteger(formatVersion) && (formatVersion as number) > qnnManifestVersion) {
    throw unsupported(
      path,
      `its layout has version ${formatVersion as number}, and this package knows version ${qnnManifestVersion}. Update @mobillm/engine-qnn, or compile the model again with this version.`,
    );
  }
  const { architecture } = (derivedFrom ?? {}) as { readonly architecture?: unknown };
  const words: readonly (readonly [string, unknown, string])[] = [
    ['architecture', architecture, 'llama'],
    ['dtype', dtype, 'f16'],
    ['ropePairing', ropePairing, 'neox'],
  ];
  for (const [name, found, known] of words) {
    if (typeof found === 'string' && /^[\w.-]{1,40}$/.test(found) && found !== known) {
      throw unsupported(
        path,
        `its ${name} is "${found}", and this package knows "${known}". Compile the model again with this version.`,
      );
    }
  }
  if (Array.isArray(binaries) && binaries.length > 1 && binaries.length <= 16) {
    throw unsupported(
      path,
      `it is split over ${binaries.length} context binaries, and this package runs one. Compile it again with this version.`,
    );
  }
}

/** What no field can be checked for alone. */
function checkTogether(manifest: QnnManifest): void {
  const { parameters, contextTokens, graphs } = manifest;
  const { heads, kvHeads, headLength, layers } = parameters;
  if (heads % kvHeads !== 0) {
    throw wrongValue('parameters.kvHeads', `has to divide the ${heads} query heads`);
  }
  if (headLength % 2 !== 0) throw wrongValue('parameters.headLength', 'has to be even');
  if (layers * 2 * kvHeads * headLength * 2 * contextTokens > mostCacheBytes) {
    throw wrongValue('contextTokens', 'asks for a cache of more than a tebibyte');
  }
  const names = new Set(graphs.map(({ name }) => name));
  const sizes = new Set(graphs.map(({ tokens }) => tokens));
  if (names.size < graphs.length || sizes.size < graphs.length) {
    throw wrongValue('graphs', 'has two graphs of one name or of as many tokens');
  }
  if (!sizes.has(1)) throw wrongValue('graphs', 'has no graph of one token, which decodes');
  graphs.forEach(({ tokens }, index) => {
    if (tokens >= contextTokens) {
      throw wrongValue(`graphs[${index}].tokens`, `has to be less than ${contextTokens}`);
    }
  });
}

function invalid(path: string, key: string, what: string, cause: unknown): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `The manifest ${path} is not sound: ${what}. Compile the model again, or fetch it again.`,
    { details: { path, key }, cause },
  );
}

function unsupported(path: string, sentence: string): MobillmError {
  return new MobillmError('MODEL_UNSUPPORTED', `The model of ${path} cannot be run: ${sentence}`, {
    details: { path },
  });
}

/** An object with these fields and no others. Fields may be missing where their check lets them. */
function exactly<S extends Record<string, check.Check<unknown>>>(
  shape: S,
): check.Check<{ readonly [K in keyof S]: ReturnType<S[K]> }> {
  return (value, key) => {
    const fields = check.record(value, key);
    for (const name of Object.keys(fields)) {
      if (!Object.hasOwn(shape, name)) {
        throw wrongValue(join(key, name.slice(0, 40)), 'is not a field of this layout');
      }
    }
    const result: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(shape)) {
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      const checked = inner(field, join(key, name));
      if (checked !== undefined) result[name] = checked;
    }
    return result as { [K in keyof S]: ReturnType<S[K]> };
  };
}

/** A list whose length is in a range. */
function list<T>(inner: check.Check<T>, most: number): check.Check<readonly T[]> {
  return (value, key) => {
    if (!Array.isArray(value)) throw wrongType(key, 'a list', value);
    if (value.length === 0 || value.length > most) {
      throw wrongValue(key, `has to have 1 to ${most} entries, and has ${value.length}`);
    }
    return check.arrayOf(inner)(value, key);
  };
}

function join(key: string, name: string): string {
  return key === '' ? name : `${key}.${name}`;
}
