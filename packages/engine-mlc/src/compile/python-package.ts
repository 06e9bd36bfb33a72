import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MobillmError } from '@mobillm/core';
import { packageRoot } from '#package-root';
import type { ensureMlcCompiler } from '../../scripts/fetch-compiler.mjs';

/** What the script gives. */
interface FetchScript {
  readonly ensureMlcCompiler: typeof ensureMlcCompiler;
}

/** The compiler's Python half. */
export interface PythonPackage {
  /** Folder of our own package. */
  readonly folder: string;
  /** sha256 over its files: with another compiler a model has to be compiled anew. */
  readonly sha256: string;
}

/** Finds the compiler's Python half in this package. */
export async function pythonPackage(): Promise<PythonPackage> {
  const folder = join(root(), 'compiler');
  const hash = createHash('sha256');
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter((entry) => /\.(py|txt)$/.test(entry)).sort()) {
    hash.update(`${name}\0`).update(await readFile(join(folder, name)));
  }
  return { folder, sha256: hash.digest('hex') };
}

/** What is needed to run it. */
export interface PythonRuntime {
  /** Program. */
  readonly python: string;
  /** Folder of the wheels. */
  readonly packages: string;
}

/**
 * Makes sure that the wheels are there; downloads 150 MB the first time.
 *
 * @throws MobillmError `UNSUPPORTED` without a fitting Python, pip, or wheels for this platform.
 */
export async function pythonRuntime(
  python: string | undefined,
  onStep: (step: string) => void,
  signal: AbortSignal | undefined,
): Promise<PythonRuntime> {
  const script = pathToFileURL(join(root(), 'scripts', 'fetch-compiler.mjs'));
  const fetch = (await import(script.href)) as FetchScript;
  try {
    return await fetch.ensureMlcCompiler({
      onStep,
      ...(python !== undefined && { python }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    throw new MobillmError('UNSUPPORTED', reason, { cause: error });
  }
}

function root(): string {
  if (packageRoot !== undefined) return packageRoot;
  throw new MobillmError(
    'UNSUPPORTED',
    'Models are compiled by Python, which cannot be run from here. Compile them with Node.js on Linux.',
  );
}
