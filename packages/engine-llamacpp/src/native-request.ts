import { callNative, fromNative, onAbort } from '@mobillm/core/native';

/** One request to the addon, on a thread of its own. */
export interface NativeRequest {
  abort(): void;
  close(): void;
}

/**
 * Makes a request, runs it and closes it, whatever becomes of it; a signal ends it.
 *
 * @throws MobillmError what the addon says; the signal's reason.
 */
export async function runRequest<R extends NativeRequest, T>(
  make: () => R,
  run: (request: R) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const request = callNative(make);
  const stopListening = onAbort(signal, () => request.abort());
  try {
    return await run(request);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw fromNative(error);
  } finally {
    stopListening();
    request.close();
  }
}
