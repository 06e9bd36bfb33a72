import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeTinyLlamaGguf } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-npu-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the NPU example as a program, on the emulator and a tiny model', () => {
  it('reads two prompts on the NPU and writes both answers on the CPU', async () => {
    const model = join(folder, 'tiny.gguf');
    await writeTinyLlamaGguf(model);
    const { stderr } = await run(process.execPath, [
      ...[program, model, join(folder, 'npu')],
      ...['Once upon a time', 'And then?'],
    ]);
    const reports = stderr.split('\n').filter((line) => /^(prefill|decode):/.test(line));
    expect(reports.map((line) => line.replace(/\d+/g, 'N').split(' on ')[0])).toEqual([
      'prefill: N new of N prompt tokens in N ms',
      'decode:  N tokens in N ms',
      'prefill: N new of N prompt tokens in N ms',
      'decode:  N tokens in N ms',
    ]);
    expect(reports[0]).toMatch(/ on QNN HTP/);
    expect(reports[1]).toMatch(/ on llama\.cpp/);
    // The second prompt is longer than the first, but only its own text is new.
    const [first, second] = [reports[0], reports[2]].map((line) =>
      (line?.match(/\d+/g) ?? []).slice(0, 2).map(Number),
    );
    expect(second![1]).toBeGreaterThan(first![1]!);
    expect(second![0]).toBeLessThan(first![1]!);
  });
});
