// Pulls to a small disk: `fill-disk.mjs <directory> <too large> <fitting> <address that lets it go on>`. Fills the disk
// while the second one is under way, and makes room again. Prints how it went.
import { readdirSync, rmSync, statSync, writeFileSync, appendFileSync } from 'node:fs';
import { createModelStore } from '../../dist/index.js';

const [, , directory, tooLarge, fitting, goOn] = process.argv;
const store = createModelStore({ directory: `${directory}/store` });
const outcome = (promise) =>
  promise.then(
    () => 'done',
    ({ code, details, message }) => ({ code, errno: details?.errno, message }),
  );
const files = (path) =>
  readdirSync(path, { recursive: true }).filter((name) => statSync(`${path}/${name}`).isFile());

const beforehand = await outcome(store.pull(tooLarge));
const leftBeforehand = files(directory);

const filler = `${directory}/filler`;
let isFull = false;
const onProgress = () => {
  if (isFull) return;
  isFull = true;
  writeFileSync(filler, '');
  for (let bytes = 2 ** 16; bytes > 0; bytes >>= 1) {
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(bytes, 1));
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    }
  }
  void fetch(goOn);
};
const inTheMiddle = await outcome(store.pull(fitting, { onProgress }));
const listed = await store.list();
rmSync(filler);
const again = await outcome(store.pull(fitting));
const verified = again === 'done' && (await store.verify('model')).ok;
await store.close();
console.log(JSON.stringify({ beforehand, leftBeforehand, inTheMiddle, listed, again, verified }));
