// Downloads a file with the hub's client of npm: `npm-hub.mjs <folder of the client> <endpoint> <directory>`.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , peer, hubUrl, cacheDir] = process.argv;
const entry = createRequire(`${peer}/package.json`).resolve('@huggingface/hub');
const { downloadFileToCacheDir } = await import(pathToFileURL(entry).href);
await downloadFileToCacheDir({ repo: 'bench/model', path: 'model.gguf', hubUrl, cacheDir });
