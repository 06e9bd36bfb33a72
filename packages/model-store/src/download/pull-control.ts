/** Pauses pulls and lets them go on, as a user asks for it. One may be given to several pulls. */
export interface PullControl {
  /** Whether what it was given to pauses. */
  readonly isPaused: boolean;
  /**
   * Pauses: connections are closed, nothing is read from the disk, and the pull keeps its download for
   * itself and goes on later. May be called twice.
   */
  pause(): void;
  /** Goes on; may be called twice. */
  resume(): void;
  /** Calls a function after each change, until the function that is returned is called. */
  onChange(listener: () => void): () => void;
}

/** Makes what pauses pulls; it does not pause to begin with. */
export function createPullControl(): PullControl {
  const listeners = new Set<() => void>();
  let isPaused = false;
  const set = (value: boolean) => {
    if (value === isPaused) return;
    isPaused = value;
    for (const listener of [...listeners]) listener();
  };
  return {
    get isPaused() {
      return isPaused;
    },
    pause: () => set(true),
    resume: () => set(false),
    onChange(listener) {
      // Two who give the same function are two.
      const own = () => listener();
      listeners.add(own);
      return () => void listeners.delete(own);
    },
  };
}

/** Settles as soon as there is no pause; rejects with the signal's reason when that aborts. */
export async function whenRunning(
  control: PullControl | undefined,
  signal: AbortSignal,
): Promise<void> {
  while (control?.isPaused === true) {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = () => {
        stop();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const stop = control.onChange(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
  signal.throwIfAborted();
}
