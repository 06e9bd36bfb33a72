import { stallMs, type HttpTransport } from './transport.js';

/** Requests over the `fetch` of a browser or of React Native. */
export function createTransport(): HttpTransport {
  return {
    async send({ url, headers, signal }) {
      const ending = new AbortController();
      const end = () => ending.abort(signal.reason);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      const watch = stallWatch(ending);
      try {
        const answer = await fetch(url, {
          headers,
          redirect: 'manual',
          signal: ending.signal,
        });
        return {
          status: answer.status,
          header: (name) => answer.headers.get(name) ?? undefined,
          body: bodyOf(answer, watch, () => signal.removeEventListener('abort', end)),
          cancel: () => ending.abort(),
        };
      } catch (error) {
        watch.stop();
        signal.removeEventListener('abort', end);
        throw error;
      }
    },
    close: () => Promise.resolve(),
  };
}

interface StallWatch {
  /** Something came. */
  touch(): void;
  stop(): void;
}

function stallWatch(ending: AbortController): StallWatch {
  const stalled = () =>
    ending.abort(Object.assign(new Error('nothing came'), { code: 'ETIMEDOUT' }));
  let timer = setTimeout(stalled, stallMs);
  return {
    touch() {
      clearTimeout(timer);
      timer = setTimeout(stalled, stallMs);
    },
    stop: () => clearTimeout(timer),
  };
}

async function* bodyOf(
  answer: Response,
  watch: StallWatch,
  finished: () => void,
): AsyncIterable<Uint8Array> {
  try {
    const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    // React Native's fetch has no streams.
    if (reader === undefined) {
      yield new Uint8Array(await answer.arrayBuffer());
      return;
    }
    try {
      for (;;) {
        const { done, value } = await reader.read();
        watch.touch();
        if (done) return;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  } finally {
    watch.stop();
    finished();
  }
}
