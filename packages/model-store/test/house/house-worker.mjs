// Does one thing to a store until it is killed: `house-worker.mjs <directory> prune|repair`.
import { createModelStore } from '../../dist/index.js';

const [, , directory, job] = process.argv;
const store = createModelStore({ directory });
process.stdout.write('running');
if (job === 'prune') await store.prune({ maxBytes: 0, downloadsOlderThanDays: 0, dedupe: true });
else await store.verifyAll({ repair: true });
