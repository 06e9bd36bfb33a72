import type { OptimizeReport } from '../src/index.js';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder, writeTinyModel } from './support/models.js';

const program = fileURLToPath(new URL('../dist/optimize/cli.js', import.meta.url));

describe('the program mobillm-optimize', () => {
  const folder = temporaryFolder();
  const sample = join(folder, 'sample.txt');
  let model: string;

  beforeAll(async () => {
    model = await writeTinyModel(folder);
    writeFileSync(sample, 'The heat of the sun is in the stones, and the air is thin. '.repeat(12));
  });

  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };

  it('writes a file and prints the whole report', () => {
    const output = join(folder, 'new.gguf');
    const { status, stdout, stderr } = run(
      ...[model, '--text', sample, '--output', output, '--target', 'Q8_0', '--threads', '1'],
      ...['--min-speedup', '0', '--json'],
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const report = JSON.parse(stdout) as OptimizeReport;
    expect(report).toMatchObject({ decision: 'written', chosen: 'Q8_0', path: output });
    expect(existsSync(output)).toBe(true);
    const again = [model, '--text', sample, '--output', output, '--target', 'Q8_0'];
    const refused = run(...again, '--threads', '1', '--min-speedup', '0');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/There is a file .*new\.gguf already/u);
    const forced = run(...again, '--threads', '1', '--min-speedup', '0', '--force');
    expect({ status: forced.status, stderr: forced.stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('ends with 3 and a table where nothing pays', () => {
    const output = join(folder, 'none.gguf');
    const { status, stdout } = run(
      ...[model, '--text', sample, '--output', output, '--formats', 'Q8_0,Q4_0'],
      ...['--min-speedup', '1000000', '--max-perplexity', '10000', '--threads', '1'],
    );
    expect(status).toBe(3);
    expect(stdout).toMatch(/^source +32\.00 +perplexity \d/u);
    expect(stdout).toMatch(/^Q8_0 +8\.\d\d .*×$/mu);
    expect(stdout).toMatch(/^Q4_0 +\d\.\d\d .*×$/mu);
    expect(stdout).toContain('The source was kept, as nothing pays.');
    expect(existsSync(output)).toBe(false);
  });

  it('says how it is called, and what was wrong', () => {
    const help = run('--help');
    expect(help.status).toBe(0);
    expect(help.stdout).toMatch(/--text FILE[\s\S]*--bits N/u);
    const text = ['--text', sample, '--output', join(folder, 'x.gguf')];
    for (const [args, status, message] of [
      [[], 2, /one model, --text and --output are needed/u],
      [[model, ...text, '--bits', 'four'], 2, /--bits must be a number, but it is "four"/u],
      [[model, ...text, '--bits', '4', '--target', 'Q4_0'], 2, /only one of/u],
      [[model, ...text, '--target', 'Q9_9'], 2, /"target" must be one of 'Q8_0'/u],
      [[model, ...text, '--loud'], 2, /Unknown option '--loud'/u],
      [[join(folder, 'missing.gguf'), ...text], 1, /There is no file .*missing\.gguf/u],
      [[model, '--text', join(folder, 'no.txt'), '--output', 'x'], 1, /no\.txt/u],
    ] as const) {
      const ended = run(...args);
      expect({ args, status: ended.status }).toEqual({ args, status });
      expect(ended.stderr).toMatch(message);
      expect(ended.stderr).not.toContain('    at ');
    }
  });
});
