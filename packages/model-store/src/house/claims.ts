import type { FileSystem } from '../file-system/file-system.js';
import type { StoreLayout } from '../layout.js';
import type { WorkFolder } from '../lock.js';
import { storeFailure } from '../store-errors.js';
import { leaveNote, readNotes } from '../work-notes.js';

/** What a call that takes content into the store needs until its model is recorded. */
export interface Claim {
  /** Name of the model that it makes. */
  readonly name: string;
  /** Bytes that the store will own then, and does not yet, by their content: two may want the same. */
  readonly missing: readonly (readonly [key: string, bytes: number])[];
  /** Models whose content it takes, so that they have to stay. */
  readonly uses: readonly string[];
}

const fileName = 'claim';

/** Makes a claim known to other processes; it ends with the work folder. Needs the store's lock. */
export async function writeClaim(fs: FileSystem, work: WorkFolder, claim: Claim): Promise<void> {
  try {
    await leaveNote(fs, work, fileName, JSON.stringify(claim));
  } catch (error) {
    throw storeFailure(error, `write to "${work.path}"`);
  }
}

/** The claims of calls under way in any process, without that of `own`. */
export async function readClaims(
  fs: FileSystem,
  layout: StoreLayout,
  own?: WorkFolder,
): Promise<Claim[]> {
  const notes = await readNotes(fs, layout, { fileName, own, unknown: true });
  return notes.map(parseClaim).filter((claim) => claim !== undefined);
}

function parseClaim(text: string): Claim | undefined {
  try {
    const claim = JSON.parse(text) as Partial<Record<keyof Claim, unknown>> | null;
    const { name, missing, uses } = claim ?? {};
    if (typeof name !== 'string' || !Array.isArray(missing) || !Array.isArray(uses)) {
      return undefined;
    }
    return { name, missing: missing.filter(isMissing), uses: uses.filter(isText) };
  } catch {
    return undefined;
  }
}

function isMissing(value: unknown): value is Claim['missing'][number] {
  if (!Array.isArray(value)) return false;
  const [key, bytes] = value as unknown[];
  return typeof key === 'string' && Number.isSafeInteger(bytes) && (bytes as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
