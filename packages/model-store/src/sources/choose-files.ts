import { MobillmError } from '@mobillm/core';
import { baseName } from '../base-name.js';
import type { RepositoryFile } from './source.js';

/** The files of one model in a repository of several. */
export interface ChosenFiles {
  /** Parts in order; one for a model in one file. */
  readonly weights: readonly RepositoryFile[];
  /** What makes images into tokens, where the repository has one. */
  readonly projector?: RepositoryFile;
}

/** A model that a repository offers: one file, or all parts of a split one. */
export interface Offer {
  /** Path of its first file. */
  readonly path: string;
  /** Its quantization by its name, in upper case; `undefined` where the name tells none. */
  readonly quantization: string | undefined;
  readonly files: readonly RepositoryFile[];
}

/** Taken in this order where nothing is asked for: what most devices run well. */
const usual = ['Q4_K_M', 'Q4_K_S', 'Q4_0', 'Q4_1', 'IQ4_NL', 'IQ4_XS', 'Q5_K_M', 'Q8_0'];
/** A projector is small, and what it loses no weights make good. */
const usualProjector = ['F16', 'BF16', 'Q8_0', 'F32'];

/** How quantizations are spelled in file names: Q4_K_M, IQ2_XXS, TQ1_0, MXFP4, BF16, UD-Q4_K_XL. */
const quantization =
  /(?:^|[-._/])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP\d(?:_MOE)?|BF16|FP?16|FP?32))(?=$|[-._/])/gi;
const partForm = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;

/** Whether what a repository lists can be a path in it, and be written in an address. */
export function isRepositoryPath(path: string): boolean {
  // A half of a surrogate pair has no place in an address.
  if (/[\ud800-\udfff]/u.test(path)) return false;
  return !path.split('/').some((name) => name === '' || name === '.' || name === '..');
}

/** The quantization that a path names, in upper case. */
export function quantizationOf(path: string): string | undefined {
  const stem = path.replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, '');
  const last = [...stem.matchAll(quantization)].pop()?.[1];
  return last?.toUpperCase().replace(/^FP(?=\d)/, 'F');
}

/** The models that a repository offers, without projectors and importance matrices. */
export function offersOf(files: readonly RepositoryFile[]): Offer[] {
  const parts = new Map<string, RepositoryFile[]>();
  const offers: Offer[] = [];
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path) || isProjector(file.path)) continue;
    if (/imatrix/i.test(baseName(file.path))) continue;
    const part = partForm.exec(file.path);
    if (part === null) {
      offers.push(toOffer([file]));
      continue;
    }
    const key = `${part[1]} of ${part[3]}`;
    parts.set(key, [...(parts.get(key) ?? []), file]);
  }
  for (const [key, found] of parts) {
    const count = Number(key.slice(key.lastIndexOf(' ') + 1));
    const ordered = [...found].sort((a, b) => (a.path < b.path ? -1 : 1));
    // One that lacks a part can be no model.
    if (ordered.length === count) offers.push(toOffer(ordered));
  }
  return offers.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Chooses a model of a repository: by the path or name of a file, by a quantization, or, where nothing
 * is asked for, the usual one.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`, with what there is.
 */
export function chooseFiles(
  repository: string,
  files: readonly RepositoryFile[],
  selection: string | undefined,
): ChosenFiles {
  const offers = offersOf(files);
  const offer = selection === undefined ? usualOffer(offers) : selected(offers, selection);
  if (offer === undefined) throw notOffered(repository, offers, selection ?? '');
  const projector = chooseProjector(files);
  return { weights: offer.files, ...(projector !== undefined && { projector }) };
}

function selected(offers: readonly Offer[], selection: string): Offer | undefined {
  const byFile = offers.filter(({ files }) =>
    files.some(({ path }) => path === selection || baseName(path) === selection),
  );
  if (byFile.length > 0) return shortest(byFile);
  const wanted = selection.toUpperCase().replace(/^FP(?=\d)/, 'F');
  const exact = offers.filter((offer) => offer.quantization === wanted);
  if (exact.length > 0) return shortest(exact);
  // "Q4_K" is what "Q4_K_M" begins with.
  const bare = (name = '') => name.replace(/^UD-/, '');
  return shortest(
    offers.filter(
      (offer) =>
        bare(offer.quantization) === wanted || bare(offer.quantization).startsWith(`${wanted}_`),
    ),
  );
}

/** What most devices run well. */
export function usualOffer<O extends Pick<Offer, 'path' | 'quantization'>>(
  offers: readonly O[],
): O | undefined {
  for (const name of usual) {
    const found = shortest(offers.filter((offer) => offer.quantization === name));
    if (found !== undefined) return found;
  }
  return shortest(offers);
}

/** Of several, the one whose path has the fewest additions. */
function shortest<O extends Pick<Offer, 'path'>>(offers: readonly O[]): O | undefined {
  return offers.reduce<O | undefined>(
    (best, offer) => (best === undefined || offer.path.length < best.path.length ? offer : best),
    undefined,
  );
}

/** The projector of a repository or folder; the usual one of several. */
export function chooseProjector(files: readonly RepositoryFile[]): RepositoryFile | undefined {
  const found = files.filter(({ path }) => /\.gguf$/i.test(path) && isProjector(path));
  for (const name of usualProjector) {
    const match = found.find(({ path }) => quantizationOf(path) === name);
    if (match !== undefined) return match;
  }
  return found[0];
}

function notOffered(repository: string, offers: readonly Offer[], selection: string): MobillmError {
  const names = [...new Set(offers.map((offer) => offer.quantization ?? baseName(offer.path)))];
  const list = names.slice(0, 20).join(', ') + (names.length > 20 ? ' …' : '');
  return new MobillmError(
    'MODEL_NOT_FOUND',
    `The repository "${repository}" has no "${selection}". It has ${list}.`,
    { details: { repository, selection, offered: names } },
  );
}

function toOffer(files: readonly RepositoryFile[]): Offer {
  const path = files[0]?.path ?? '';
  return {
    path,
    quantization: quantizationOf(path),
    files,
  };
}

function isProjector(path: string): boolean {
  return /mmproj/i.test(baseName(path));
}
