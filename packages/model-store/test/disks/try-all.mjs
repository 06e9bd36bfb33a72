// Tries each job on a store and prints how it went: `try-all.mjs <directory> <file> <address> [nobody]`. With
// `nobody` it gives up the rights of root before.
import { createModelStore } from '../../dist/index.js';

const [, , directory, file, address, as] = process.argv;
if (as === 'nobody' && process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
}
const store = createModelStore({ directory });
const jobs = {
  list: () => store.list(),
  resolve: () => store.resolve('kept'),
  verify: () => store.verify('kept'),
  add: () => store.add(file, { name: 'linked' }),
  move: () => store.add(file, { name: 'moved', placement: 'move' }),
  pull: () => store.pull(address),
  remove: () => store.remove('kept'),
};
const outcomes = {};
for (const [name, job] of Object.entries(jobs)) {
  outcomes[name] = await job().then(
    () => 'done',
    ({ code, details, message, retryable }) => ({
      ...{ code, errno: details?.errno, message, retryable },
    }),
  );
}
await store.close();
console.log(JSON.stringify(outcomes));
