// Adds models to a store again and again until it is killed: `worker.mjs <directory> <file> <id>`.
import { createModelStore } from '../dist/index.js';
import { copyFile } from 'node:fs/promises';

const [, , directory, file, id] = process.argv;
const store = createModelStore({ directory });
for (let round = 0; ; round++) {
  const path = `${file}.${id}.${round % 3}`;
  await copyFile(file, path);
  await store.add(path, { name: `${id}-${round % 3}`, placement: round % 2 ? 'link' : 'move' });
  if (round === 0) process.stdout.write('running');
  await store.remove(`${id}-${round % 3}`);
}
