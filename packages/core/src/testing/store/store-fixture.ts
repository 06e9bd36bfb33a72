import { expect } from 'vitest';
import { MobillmError } from '../../errors/mobillm-error.js';
import type { ErrorCode } from '../../errors/error-code.js';
import type { ModelStore } from '../../store/model-store.js';
import { tinyLlamaGguf } from '../tiny-llama.js';

/** What every test of the suite has at hand; filled before each. */
export interface StoreFixture {
  /** A fresh store. */
  readonly store: ModelStore;
  /** Opens the same store once more, as after a restart. */
  readonly reopen: () => Promise<ModelStore>;
  /** A temporary folder; the store is in its folder `store`. */
  readonly folder: string;
}

/** A model file that a test made. */
export interface MadeFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

const made = new Map<number, { readonly bytes: Uint8Array; readonly sha256: string }>();

/** Writes a model to the fixture's folder; another seed makes other content of the same size. */
export async function makeModel(
  { folder }: StoreFixture,
  fileName: string,
  seed = 1,
): Promise<MadeFile> {
  const { createHash } = await import('node:crypto');
  const { writeFile } = await import('node:fs/promises');
  let model = made.get(seed);
  if (model === undefined) {
    const bytes = tinyLlamaGguf({ seed });
    model = { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
    made.set(seed, model);
  }
  const path = `${folder}/${fileName}`;
  await writeFile(path, model.bytes);
  return { path, ...model };
}

/** The sha256 of a file's content; `undefined` when it is missing. */
export async function hashOf(path: string): Promise<string | undefined> {
  const { createHash } = await import('node:crypto');
  const { readFile } = await import('node:fs/promises');
  const bytes = await readFile(path).catch(() => undefined);
  return bytes && createHash('sha256').update(bytes).digest('hex');
}

/** Expects a call to fail with a code, and returns the error. */
export async function expectCode(call: Promise<unknown>, code: ErrorCode): Promise<MobillmError> {
  const error: unknown = await call.then(
    () => `resolved, and ${code} was expected`,
    (reason: unknown) => reason,
  );
  expect(MobillmError.is(error) ? error.code : error).toBe(code);
  return error as MobillmError;
}

/** Expects a call to be refused as wrong, naming the key. */
export async function expectWrongCall(call: () => Promise<unknown>, key: string): Promise<void> {
  // A store may throw at once or reject.
  const error: unknown = await Promise.resolve()
    .then(call)
    .then(
      () => 'resolved',
      (reason: unknown) => reason,
    );
  expect(
    error instanceof TypeError || error instanceof RangeError ? error : String(error),
  ).toMatchObject({
    code: 'INVALID_ARGUMENT',
    key,
  });
}

/** Names of all models, in the order of `list`. */
export async function namesIn(store: ModelStore): Promise<string[]> {
  return (await store.list()).map(({ name }) => name);
}
