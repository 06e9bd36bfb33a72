import type { GgufLayout } from '@mobillm/core';
import { callNative, fromNative, onAbort } from '@mobillm/core/native';
import type { LlamaCppAddon } from '../addon.js';
import type { ModelHeader } from '../model-header.js';
import type { NativeRequantizedFile } from './native.js';
import { type Matrix, plannedFile, type WeightPlan } from './weight-plan.js';

/** What a file is written from. */
export interface CandidateFileOptions {
  readonly addon: LlamaCppAddon;
  readonly header: ModelHeader;
  readonly layout: GgufLayout;
  readonly matrices: readonly Matrix[];
  readonly plan: WeightPlan;
  readonly weighted: boolean;
  readonly threads: number;
  /** Where it is written, under a name that nothing has. */
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (share: number) => void;
}

/** How often somebody is told how far the writing is. */
const tellEveryMs = 100;

/** A written model file that has no name of its own yet. */
export class CandidateFile {
  readonly #native: NativeRequantizedFile;
  readonly path: string;
  readonly fileBytes: number;

  private constructor(native: NativeRequantizedFile, path: string, fileBytes: number) {
    this.#native = native;
    this.path = path;
    this.fileBytes = fileBytes;
  }

  /**
   * Writes a file; none is left where that fails.
   *
   * @throws MobillmError `IO_FAILED`, `INTEGRITY_FAILED` where the source changed meanwhile.
   */
  static async write(options: CandidateFileOptions): Promise<CandidateFile> {
    const { addon, header, layout, matrices, plan, weighted, path, signal } = options;
    const importances = new Map(matrices.map(({ use }) => [use.name, use.importance]));
    const none = new Float32Array();
    const native = callNative(
      () =>
        new addon.RequantizedFile({
          source: header,
          path,
          tensors: Array.from(plan, ([name, type]) => ({
            name,
            type,
            importance: weighted ? (importances.get(name) ?? none) : none,
          })),
          fileType: plannedFile(layout, plan).fileType,
          threads: options.threads,
        }),
    );
    let failure: { readonly error: unknown } | undefined;
    const tell = (share: number) => {
      try {
        options.onProgress(share);
      } catch (error) {
        failure = { error };
        native.abort();
        throw error;
      }
    };
    const teller = setInterval(() => {
      // What is thrown here would be nobody's; the writing ends by it.
      if (failure === undefined)
        void Promise.resolve(native.writtenShare)
          .then(tell)
          .catch(() => 0);
    }, tellEveryMs);
    const stopListening = onAbort(signal, () => native.abort());
    try {
      const fileBytes = await native.write();
      signal?.throwIfAborted();
      tell(1);
      return new CandidateFile(native, path, fileBytes);
    } catch (error) {
      native.close();
      if (signal?.aborted) throw signal.reason;
      throw failure === undefined ? fromNative(error) : failure.error;
    } finally {
      clearInterval(teller);
      stopListening();
    }
  }

  /**
   * Gives it a name that nothing has; with `overwrite`, another file than the source may have it.
   *
   * @throws MobillmError `IO_FAILED`.
   */
  commit(path: string, overwrite: boolean): void {
    callNative(() => this.#native.commit(path, overwrite));
  }

  /** Leaves the file to somebody else: {@link CandidateFile.close} does not delete it any more. */
  release(): void {
    this.#native.release();
  }

  /** Deletes the file; may be called twice. */
  close(): void {
    this.#native.close();
  }
}
