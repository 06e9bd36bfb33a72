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
  const others = otherParts(first, path);
  for (const [index, partPath] of others.entries()) {
    progress.advance({ phase: 'reading', doneBytes: index + 1, totalBytes: undefined });
    const part = await inspectFile(fs, partPath, signal);
    const number = part.layout.metadata.get('split.no')?.value;
    if (number !== index + 1) {
      throw invalid(`"${partPath}" is not part ${index + 2} of the model that "${path}" begins`, {
        path: partPath,
      });
    }
    parts.push(part);
  }
  const total = first.layout.metadata.get('split.tensors.count')?.value;
  const found = parts.reduce((sum, { layout }) => sum + layout.tensors.length, 0);
  if (others.length > 0 && typeof total === 'number' && total !== found) {
    throw invalid(`its parts hold ${found} tensors of ${total}`, { path });
  }
  return {
    files: parts.map(({ path: partPath, facts }) => ({ path: partPath, ...facts })),
    description: describeGguf(
      first.values,
      parts.map(({ layout }) => layout),
    ),
  };
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

interface InspectedFile {
  readonly path: string;
  readonly facts: FileFacts;
  readonly layout: GgufLayout;
  readonly values: GgufValues;
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
    const layout = await validateGguf(source, { signal });
    return { path, facts, layout, values: await readGgufValues(source, layout, signal) };
  } catch (error) {
    throw unreadable(error, path);
  } finally {
    await source?.close();
  }
}

/** Paths of the parts after the first of a split model; none for a model in one file. */
function otherParts({ layout }: InspectedFile, path: string): string[] {
  const parts = layout.metadata.get('split.count')?.value;
  if (typeof parts !== 'number' || parts <= 1) return [];
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
