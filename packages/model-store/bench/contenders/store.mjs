// Pulls a reference with this package, as an application does: `store.mjs <directory> <reference>`. Prints what it took
// of memory, and for how long the thread was away at most.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createModelStore } from '@mobillm/model-store';

const [, , directory, reference] = process.argv;
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const store = createModelStore({ directory });
await store.pull(reference);
delay.disable();
await store.close();
console.log(
  JSON.stringify({
    residentBytes: process.resourceUsage().maxRSS * 1024,
    longestDelayMs: delay.max / 1e6,
  }),
);
