import { CompileReport } from './compile-report.js';
import type { CompileOptions } from './model-compiler.js';

/**
 * Runs the work of a {@link ModelCompiler}, with what its contract asks of every one: the caller is told
 * at least twice a second, from reading the model to a share of 1; a signal that aborts, or a caller's
 * function that throws, stops the work and is what the promise rejects with. Neither undoes what is
 * complete: what comes after the work's end is not heard.
 *
 * @param work is to end soon, in whichever way, once its signal aborts
 */
export async function runCompilation<T>(
  options: Pick<CompileOptions, 'signal' | 'onProgress'>,
  work: (report: CompileReport, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const report = new CompileReport(onProgress, 'reading the model', () => stop.abort());
  try {
    stop.signal.throwIfAborted();
    const result = await work(report, stop.signal);
    report.reach('done', 1);
    return result;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw report.failure === undefined ? error : report.failure.error;
  } finally {
    report.stop();
    signal?.removeEventListener('abort', abort);
  }
}
