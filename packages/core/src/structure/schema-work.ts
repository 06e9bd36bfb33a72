import { unsupportedSchema } from './schema-errors.js';

/**
 * Work that one schema may take, in things that are looked at: a keyword, a value, a part of an expression.
 * Twice what 1000 properties take whose names begin alike nowhere; some tenths of a second at most on a slow core.
 */
export const maxSchemaWork = 1_000_000;

/**
 * Counts the work on a schema, which may be anybody's, while JavaScript's thread does nothing else. Counted
 * and not timed, so that a schema is followed everywhere or nowhere.
 */
export class SchemaWork {
  #left = maxSchemaWork;
  readonly #once = new Set<string>();

  /** How much was spent. For tests. */
  get spent(): number {
    return maxSchemaWork - this.#left;
  }

  /**
   * To be called before the work is done. What has the name `once` counts once.
   *
   * @throws MobillmError `SCHEMA_UNSUPPORTED` where it is too much.
   */
  spend(work: number, path: string, keyword = 'type', once?: string): void {
    if (once !== undefined && this.#once.size === this.#once.add(once).size) return;
    this.#left -= work;
    if (this.#left >= 0) return;
    throw unsupportedSchema(
      keyword,
      path.slice(0, 200),
      'is where the whole schema takes too much work; make it smaller, with fewer combinations',
    );
  }
}
