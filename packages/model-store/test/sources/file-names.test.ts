import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { isRepositoryPath } from '../../src/sources/choose-files.js';
import { fileNameOf } from '../../src/sources/url-source.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();

describe('the name of a file that a hub names', () => {
  it.each([
    ['..%2F..%2Fetc%2Fpasswd', 'etc-passwd'],
    ['C%3A%5Cmodel.gguf', 'C-model.gguf'],
    ['a%00b.gguf', 'a-b.gguf'],
    ['..', 'model.gguf'],
    ['%', 'model.gguf'],
    ['nul.gguf', 'model-nul.gguf'],
    ['AUX', 'model-AUX'],
    ['com1.Q4_K_M.gguf', 'model-com1.Q4_K_M.gguf'],
    ['console.gguf', 'console.gguf'],
    ['%E6%A8%A1%E5%9E%8B.gguf', '模型.gguf'],
  ])('%s is kept as %s', (encoded, name) => {
    expect(fileNameOf(encoded)).toBe(name);
  });

  it.each(['模', '𠀀', 'ä', 'a', '.a'])('may be long, of %s', async (letter) => {
    const name = fileNameOf(encodeURIComponent(`${letter.repeat(400)}-00001-of-00002.gguf`));
    expect(name).toMatch(/^[^.-].*-00001-of-00002\.gguf$/u);
    expect(name).not.toMatch(/[\ud800-\udfff]/u);
    await writeFile(`${folder.path}/${name}`, '');
  });
});

it.each(['', '/a', 'a//b', '../a', 'a/./b', 'a/..', '\ud800.gguf', 'a\udc00'])(
  '%j is no path in a repository',
  (path) => {
    expect(isRepositoryPath(path)).toBe(false);
  },
);
