import { stallMs, type HttpTransport } from './transport.js';

/**
 * Requests over the `fetch` of a browser or of React Native. Browsers do not tell where a redirect leads, and
 * React Native follows it unasked: there the authorization is kept from another host by `fetch` itself, as
 * its standard demands since 2022, and where the answer came from is looked at afterwards.
 */
export function createTransport(): HttpTransport {
  return {
    async send({ url, headers, signal }) {
      const ending = new AbortController();
      const end = () => ending.abort(signal.reason);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      const watch = stallWatch(ending);
      const finish = () => {
        watch.stop();
        signal.removeEventListener('abort', end);
      };
      try {
        const ask = (redirect: 'manual' | 'follow') =>
          fetch(url, { headers, redirect, signal: ending.signal });
        const first = await ask('manual');
        // Its status is 0, and it has no headers.
        const answer = first.type === 'opaqueredirect' ? await ask('follow') : first;
        return {
          status: answer.status,
          ...(answer.url && { url: answer.url }),
          header: (name) => answer.headers.get(name) ?? undefined,
          body: bodyOf(answer, watch, finish),
          cancel() {
            finish();
            ending.abort();
          },
        };
      } catch (error) {
        finish();
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
    finished();
  }
}
