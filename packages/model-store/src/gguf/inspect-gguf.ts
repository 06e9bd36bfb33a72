import {
  MobillmError,
  validateGguf,
  type ByteSource,
  type GgufLayout,
  type ModelDescription,
} from '@mobillm/core';
import type { FileFacts, FileSystem } from '../file-system/file-system.js';
import type { ProgressReporter } from '../progress.js';
import { fileNotFound, unreadable } from '../store-errors.js';
import { describeGguf } from './describe-gguf.js';
import { readGgufValues, type GgufValues } from './read-values.js';

/** Parts of one model; more than any tool makes. */
const maxParts = 1000;

/** A model's files as they were when their headers were read. */
export interface InspectedFiles {
  readonly files: readonly (FileFacts & { readonly path: string })[];
  readonly description: ModelDescription;
}

/**
 * Validates a GGUF file, with the other parts of a split one, and describes the model.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function inspectGguf(
  fs: FileSystem,
  path: string,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<InspectedFiles> {
  const first = await inspectFile(fs, path, signal);
  const parts = [first];
  for (const [index, partPath] of otherParts(first).entries()) {
    progress.advance({ phase: 'reading', doneBytes: index + 1, totalBytes: undefined });
    parts.push(await inspectFile(fs, partPath, signal));
  }
  return {
    files: parts.map(({ path: partPath, facts }) => ({ path: partPath, ...facts })),
    description: describeParts(parts),
  };
}

/**
 * Describes a model by the headers of all its parts in order.
 *
 * @throws MobillmError `MODEL_INVALID` where they do not belong together, `MODEL_UNSUPPORTED`.
 */
export function describeParts(parts: readonly GgufPart[]): ModelDescription {
  const [first] = parts;
  if (first === undefined) throw invalid('it has no file of weights', {});
  for (const [index, { path, layout }] of parts.entries()) {
    if (index === 0 || layout.metadata.get('split.no')?.value === index) continue;
    throw invalid(`"${path}" is not part ${index + 1} of the model that "${first.path}" begins`, {
      path,
    });
  }
  const total = first.layout.metadata.get('split.tensors.count')?.value;
  const found = parts.reduce((sum, { layout }) => sum + layout.tensors.length, 0);
  if (parts.length > 1 && typeof total === 'number' && total !== found) {
    throw invalid(`its parts hold ${found} tensors of ${total}`, { path: first.path });
  }
  return describeGguf(
    first.values,
    parts.map(({ layout }) => layout),
  );
}

/** The header of a GGUF file. `path` names it in errors. */
export interface GgufPart {
  readonly path: string;
  readonly layout: GgufLayout;
  readonly values: GgufValues;
}

/**
 * Reads and checks the header of a GGUF file.
 *
 * @throws MobillmError `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function readGgufPart(
  source: ByteSource,
  path: string,
  signal: AbortSignal,
): Promise<GgufPart> {
  const layout = await validateGguf(source, { signal });
  return { path, layout, values: await readGgufValues(source, layout, signal) };
}

/** How many files a model has by the header of its first. */
export function partCount({ layout }: GgufPart): number {
  const parts = layout.metadata.get('split.count')?.value;
  return typeof parts === 'number' && parts > 1 ? parts : 1;
}

/**
 * Checks a GGUF file that belongs to a model and is none itself: a projector, an adapter.
 *
 * @throws MobillmError `FILE_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function checkGguf(fs: FileSystem, path: string, signal: AbortSignal): Promise<void> {
  let source: ByteSource | undefined;
  try {
    source = await fs.open(path);
    await validateGguf(source, { signal });
  } catch (error) {
    throw unreadable(error, path);
  } finally {
    await source?.close();
  }
}

interface InspectedFile extends GgufPart {
  readonly facts: FileFacts;
}

async function inspectFile(
  fs: FileSystem,
  path: string,
  signal: AbortSignal,
): Promise<InspectedFile> {
  let source: ByteSource | undefined;
  try {
    const facts = await fs.stat(path);
    signal.throwIfAborted();
    if (facts === undefined) throw fileNotFound(path, 'does not exist. Check the path');
    if (facts.kind === 'folder') {
      throw fileNotFound(path, 'is a folder. Name the model file in it');
    }
    if (facts.kind !== 'file') throw fileNotFound(path, 'is not a file. Check the path');
    source = await fs.open(path);
    return { facts, ...(await readGgufPart(source, path, signal)) };
  } catch (error) {
    throw unreadable(error, path);
  } finally {
    await source?.close();
  }
}

/** Paths of the parts after the first of a split model; none for a model in one file. */
function otherParts(first: InspectedFile): string[] {
  const { layout, path } = first;
  const parts = partCount(first);
  if (parts === 1) return [];
  const name = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(path);
  if (name === null || Number(name[3]) !== parts || parts > maxParts) {
    throw invalid(
      `"${path}" says that it is split into ${parts} files, which have to be named like "model-00001-of-00002.gguf"`,
      { path, parts },
    );
  }
  const nameOf = (part: number) => `${name[1]}-${String(part).padStart(5, '0')}-of-${name[3]}.gguf`;
  if (layout.metadata.get('split.no')?.value !== 0 || Number(name[2]) !== 1) {
    throw invalid(`"${path}" is not the first part of its model; add "${nameOf(1)}"`, { path });
  }
  return Array.from({ length: parts - 1 }, (_, index) => nameOf(index + 2));
}

function invalid(what: string, details: Readonly<Record<string, unknown>>): MobillmError {
  return new MobillmError('MODEL_INVALID', `This model cannot be used: ${what}.`, { details });
}
