import { describe, expect, it } from 'vitest';
import type { ByteProgress } from '@mobillm/core';
import { defaultDirectory } from '../src/file-system/default-directory.js';
import { nodeFileSystem } from '../src/file-system/node.js';
import { fileSystem as portable } from '../src/file-system/portable.js';
import { quantizationName } from '../src/gguf/quantization-name.js';
import { StoreLayout } from '../src/layout.js';
import { checkModelName, nameOfFile, nearestNames } from '../src/model-name.js';
import { ProgressReporter } from '../src/progress.js';
import { deadProcessName } from './faulty-file-system.js';

describe('the default folder', () => {
  it.each([
    ['linux', { MOBILLM_HOME: '/m', HOME: '/h' }, '/m'],
    ['linux', { XDG_DATA_HOME: '/x', HOME: '/h' }, '/x/mobillm'],
    ['linux', { XDG_DATA_HOME: 'relative', HOME: '/h' }, '/h/.local/share/mobillm'],
    [
      'android',
      { HOME: '/data/data/com.termux/files/home' },
      '/data/data/com.termux/files/home/.local/share/mobillm',
    ],
    ['darwin', { HOME: '/Users/a' }, '/Users/a/Library/Application Support/mobillm'],
    ['win32', { LOCALAPPDATA: 'C:\\L' }, 'C:\\L/mobillm'],
    ['win32', { USERPROFILE: 'C:\\U' }, 'C:\\U/AppData/Local/mobillm'],
    ['linux', {}, undefined],
  ])('on %s with %o is %s', (os, env, expected) => {
    expect(defaultDirectory(os, env)).toBe(expected);
  });
});

describe('names', () => {
  it.each([
    ['/a/SmolLM2.Q4_1.gguf', 'SmolLM2.Q4_1'],
    ['/a/big-00001-of-00003.gguf', 'big'],
    ['/a/what*?.GGUF', 'what--'],
    ['/a/..gguf', 'model'],
    [`/a/${'x'.repeat(300)}.gguf`, 'x'.repeat(128)],
    [`/a/${'x'.repeat(127)}\u{1f600}.gguf`, 'x'.repeat(127)],
    ['/a/\u202egpj\ud800.gguf', '-gpj-'],
  ])('of the file %s is %s', (path, name) => {
    expect(nameOfFile(path)).toBe(name);
  });

  it.each([
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', 'a\udc00b'],
    ['a turn of the direction', '\u202egpj.exe'],
    ['an isolated direction', 'a\u2066b'],
    ['a mark of the direction', 'a\u200fb'],
    ['an Arabic mark of the direction', 'a\u061cb'],
    ['a later control character', 'a\u0085b'],
    ['a separator of lines', 'a\u2028b'],
  ])('with %s are refused', (_, name) => {
    expect(() => checkModelName(name, 'name')).toThrow(
      expect.objectContaining({ name: 'RangeError', code: 'INVALID_ARGUMENT', key: 'name' }),
    );
  });

  it('may have emoji, which are pairs of surrogates, and any script', () => {
    for (const name of ['\u{1f600} model', 'модель', '小', 'نموذج']) {
      expect(checkModelName(name, 'name')).toBe(name);
    }
  });

  it('near to another are those with few other letters, or with a part of it', () => {
    const names = ['SmolLM2-135M-Instruct.Q4_1', 'Llama-3.2-1B', 'Qwen3-0.6B', 'Qwen3-4B'];
    expect(nearestNames('smollm-135M', names)).toEqual(['SmolLM2-135M-Instruct.Q4_1']);
    expect(nearestNames('qwen3', names)).toEqual(['Qwen3-0.6B', 'Qwen3-4B']);
    expect(nearestNames('phi', names)).toEqual([]);
  });

  it('become file names that differ where file systems do not see a difference', () => {
    const layout = new StoreLayout('/s', nodeFileSystem);
    const stems = ['tiny', 'Tiny', 'a/b', 'a-b', 'con', '小'].map((name) => layout.stem(name));
    expect(new Set(stems.map((stem) => stem.toLowerCase())).size).toBe(stems.length);
    for (const stem of stems) expect(stem).toMatch(/^[a-z0-9._-]+-[0-9a-f]{12}$/);
  });
});

describe('progress', () => {
  it('is reported ten times a second at most, and at the end in any case', () => {
    let nowMs = 0;
    const reports: ByteProgress[] = [];
    const reporter = new ProgressReporter(
      (progress) => reports.push(progress),
      () => nowMs,
    );
    const at = (doneBytes: number) => ({ phase: 'hashing', doneBytes, totalBytes: 1000 }) as const;
    for (let i = 0; i < 1000; i++, nowMs++) reporter.advance(at(i));
    reporter.finish(at(1000));
    const expected = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000];
    expect(reports.map(({ doneBytes }) => doneBytes)).toEqual(expected);
  });
});

describe('the process', () => {
  it('knows itself to be alive, and one whose number nobody has to have ended', () => {
    const own = nodeFileSystem.processName();
    expect(own).toMatch(/^[A-Za-z0-9._-]{1,100}$/);
    expect(nodeFileSystem.isProcessAlive(own)).toBe(true);
    expect(nodeFileSystem.isProcessAlive(deadProcessName(nodeFileSystem))).toBe(false);
  });

  it('takes one of before the restart for ended, and knows nothing of one on another machine', () => {
    const [machine, boot, ...rest] = nodeFileSystem.processName().split('_');
    const name = (...parts: unknown[]) => parts.join('_');
    expect(nodeFileSystem.isProcessAlive(name(machine, `${boot}x`, ...rest))).toBe(false);
    expect(nodeFileSystem.isProcessAlive(name('elsewhere', boot, ...rest))).toBeUndefined();
  });

  it.runIf(process.platform === 'linux')('takes a number that is used again for ended', () => {
    const parts = nodeFileSystem.processName().split('_');
    parts[3] = '1';
    expect(nodeFileSystem.isProcessAlive(parts.join('_'))).toBe(false);
  });
});

describe('quantization', () => {
  const tensor = (name: string, byteLength: number) =>
    ({ type: { name }, byteLength }) as Parameters<typeof quantizationName>[0][number];
  it.each([
    ['the type of most bytes', [tensor('F32', 10), tensor('Q8_0', 90)], 7, 'Q8_0'],
    ['a mixture by its own name', [tensor('Q6_K', 40), tensor('Q4_K', 60)], 15, 'Q4_K_M'],
    ['no mixture that it is not', [tensor('F16', 100)], 15, 'F16'],
    ['nothing without tensors', [], 15, 'none'],
  ])('is %s', (_, tensors, fileType, expected) => {
    expect(quantizationName(tensors, fileType)).toBe(expected);
  });
});

it('there is no file system in a browser and in React Native unless one is passed', () => {
  expect(portable).toBeUndefined();
});
