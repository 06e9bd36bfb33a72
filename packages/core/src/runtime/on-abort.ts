/** What a signal's abort is told to, by one listener of ours: Node warns where a signal has more than ten. */
const bodiesOf = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `body` when a signal aborts, now or later; returns what takes the listener off again. */
export function onAbort(signal: AbortSignal | undefined, body: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    body();
    return () => undefined;
  }
  const bodies = bodiesOf.get(signal) ?? listen(signal);
  // Each call is one of its own, even with the same function.
  const own = () => {
    body();
  };
  bodies.add(own);
  return () => bodies.delete(own);
}

function listen(signal: AbortSignal): Set<() => void> {
  const bodies = new Set<() => void>();
  bodiesOf.set(signal, bodies);
  const tell = () => {
    for (const body of [...bodies]) if (bodies.delete(body)) body();
  };
  signal.addEventListener('abort', tell, { once: true });
  return bodies;
}
