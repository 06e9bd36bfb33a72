#!/usr/bin/env node
/**
 * The program `mobillm-optimize`: writes a GGUF model's weights in other number formats where measuring
 * on a text says that it pays.
 */
import { readFile } from 'node:fs/promises';
import { numberOf, runProgram, wrongCall } from '../command-line.js';
import { optimizeModel } from './optimize-model.js';
import type { OptimizeProgress } from './optimize-options.js';
import { showIncrease } from './optimize-reasons.js';
import type { OptimizeReport } from './optimize-report.js';
import { type WeightFormat, weightFormats } from './weight-formats.js';

const help = `Writes a GGUF model's weights in other number formats for this device, where that pays on a text.

  mobillm-optimize model.gguf --text sample.txt --output new.gguf [options]

  --text FILE            text of the kind that the model is for: it judges, and is learned from
  --output FILE          the new file; there must be none of that name
  --force                replace a file of that name, unless it is the source
  --target FORMAT        auto (the default), or one of
                         ${weightFormats.join(', ')}
  --file-bytes N         choose a format for each tensor, so that the file has at most so many bytes
  --bits N               the same, by the average number of bits a weight
  --formats A,B          formats that auto, --file-bytes and --bits choose from
  --max-perplexity P     most that perplexity may rise, in per cent (5; with a size, any)
  --min-speedup X        least gain in CPU time, as a factor (1.1; with a size, none)
  --careless             round all columns alike, whatever the text uses
  --threads N            threads (those that are free)
  --json                 print the whole report as JSON
  --help

The source is only read. Ends with 0 when a file was written, 3 when none pays and the source was kept,
2 for a wrong call, 1 for any other failure.
`;

await runProgram({
  name: 'mobillm-optimize',
  help,
  options: {
    text: { type: 'string' },
    output: { type: 'string' },
    target: { type: 'string' },
    'file-bytes': { type: 'string' },
    bits: { type: 'string' },
    formats: { type: 'string' },
    'max-perplexity': { type: 'string' },
    'min-speedup': { type: 'string' },
    threads: { type: 'string' },
    careless: { type: 'boolean' },
    force: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run({ values, positionals }, stop) {
    const [model, ...others] = positionals;
    const { text, output, target } = values;
    if (model === undefined || others.length > 0 || text === undefined || output === undefined) {
      throw wrongCall('one model, --text and --output are needed; --help says more');
    }
    const fileBytes = numberOf(values['file-bytes'], 'file-bytes');
    const bitsPerWeight = numberOf(values.bits, 'bits');
    const targets = [
      target as WeightFormat | 'auto' | undefined,
      fileBytes === undefined ? undefined : { fileBytes },
      bitsPerWeight === undefined ? undefined : { bitsPerWeight },
    ].filter((each) => each !== undefined);
    if (targets.length > 1) throw wrongCall('only one of --target, --file-bytes and --bits can be');
    const maxPerplexity = numberOf(values['max-perplexity'], 'max-perplexity');
    const minSpeedup = numberOf(values['min-speedup'], 'min-speedup');
    const threads = numberOf(values.threads, 'threads');
    const report = await optimizeModel(model, {
      text: await readFile(text, 'utf8'),
      output,
      ...(targets[0] !== undefined && { target: targets[0] }),
      ...(values.formats !== undefined && { formats: values.formats.split(',') as WeightFormat[] }),
      ...(maxPerplexity !== undefined && { maxPerplexityIncrease: maxPerplexity / 100 }),
      ...(minSpeedup !== undefined && { minSpeedup }),
      ...(threads !== undefined && { threads }),
      ...(values.careless && { importance: 'none' as const }),
      ...(values.force && { overwrite: true }),
      ...(process.stderr.isTTY && { onProgress: showProgress }),
      signal: stop,
    });
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
    process.stdout.write(
      values.json ? `${JSON.stringify(report, undefined, 2)}\n` : format(report),
    );
    return report.decision === 'written' ? 0 : 3;
  },
});

function showProgress({ phase, candidate = '', share }: OptimizeProgress): void {
  process.stderr.write(`\r\u001B[K${phase} ${candidate} ${(share * 100).toFixed(0)} %`);
}

function format({
  source,
  candidates,
  reason,
  path,
  fileBytes,
  judgedTokens,
}: OptimizeReport): string {
  const bits = (value: number) => value.toFixed(2).padStart(5);
  const rows = candidates.map(({ name, bitsPerWeight, quality, speedup }) =>
    [
      name.padEnd(8),
      bits(bitsPerWeight),
      showIncrease(quality).padStart(18),
      quality.divergence.toFixed(4).padStart(10),
      (speedup === undefined ? '–' : `${speedup.toFixed(2)}×`).padStart(9),
    ].join('  '),
  );
  return [
    `source    ${bits(source.bitsPerWeight)}  perplexity ${source.perplexity.toFixed(2)} over ${judgedTokens} tokens`,
    `${'name'.padEnd(8)}   bits  ${'perplexity'.padStart(18)}  divergence   CPU time`,
    ...rows,
    reason,
    ...(path === undefined ? [] : [`${path}: ${fileBytes} bytes`]),
    '',
  ].join('\n');
}
