/** Calls `body` when a signal aborts, now or later; returns what takes the listener off again. */
export function onAbort(signal: AbortSignal | undefined, body: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    body();
    return () => undefined;
  }
  signal.addEventListener('abort', body, { once: true });
  return () => signal.removeEventListener('abort', body);
}
