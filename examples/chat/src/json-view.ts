import { describeError, type View } from './view.js';

/** Writes one JSON object a line. */
export function jsonView(out: NodeJS.WritableStream): View {
  const write = (line: object): void => {
    out.write(`${JSON.stringify(line)}\n`);
  };
  return {
    plan: (hardware, plan) => write({ type: 'plan', hardware, plan }),
    bytes: (progress) => write({ type: 'progress', ...progress }),
    loading: (share) => write({ type: 'progress', phase: 'loading', share }),
    opened: ({ info, contextTokens, placement }) => {
      // The template is long and is nobody's concern who reads events.
      const { chatTemplate, ...model } = info;
      write({
        type: 'opened',
        model: { ...model, hasChatTemplate: chatTemplate !== undefined },
        contextTokens,
        placement,
      });
    },
    event: (event) => write(event),
    stopped: (partial) => write({ type: 'stopped', result: partial }),
    error: (error) => write({ type: 'error', ...describeError(error) }),
  };
}
