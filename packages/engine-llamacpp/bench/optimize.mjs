/**
 * What optimizing a model gains: speed, size and quality of every candidate, and of a file of mixed formats
 * beside uniform ones of the same size. The project's own documentation is the text.
 *
 *   node bench/optimize.mjs [--model model.gguf] [--part auto|careless|mixed] [--threads 1] [--json]
 *                           [--bits 5.4] [--formats Q8_0,Q5_0,…] [--judged 512] [--learned 1024]
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { optimizeModel } from '@mobillm/engine-llamacpp';
import { benchOptions } from './options.mjs';
import './unmeasured.mjs';

const { values, modelPath } = await benchOptions({
  part: { type: 'string', multiple: true },
  bits: { type: 'string' },
  formats: { type: 'string' },
  judged: { type: 'string', default: '512' },
  learned: { type: 'string', default: '1024' },
});

const pages = ['native-code', 'writing-an-engine', 'tool-calling', 'planner'];
const text = pages
  .map((page) => readFileSync(new URL(`../../../docs/${page}.md`, import.meta.url), 'utf8'))
  .join('\n');
const everything = { maxPerplexityIncrease: Infinity, minSpeedup: 0 };
const formats = values.formats && { formats: values.formats.split(',') };
const parts = {
  auto: { ...everything, ...formats, target: 'auto' },
  careless: { ...everything, target: 'Q4_0', importance: 'none' },
  mixed: { ...formats, target: { bitsPerWeight: Number(values.bits ?? 5.4) } },
};

const folder = mkdtempSync(join(tmpdir(), 'mobillm-optimize-'));
try {
  for (const part of values.part ?? Object.keys(parts)) {
    const started = performance.now();
    const report = await optimizeModel(modelPath, {
      ...parts[part],
      ...{ text, threads: Number(values.threads), output: join(folder, `${part}.gguf`) },
      ...{ judgedTokens: Number(values.judged), learnedTokens: Number(values.learned) },
    });
    const seconds = (performance.now() - started) / 1000;
    if (values.json) console.log(JSON.stringify({ part, seconds, ...report }));
    else print(part, seconds, report);
  }
} finally {
  rmSync(folder, { recursive: true });
}

function print(part, seconds, { source, candidates, sensitivity, chosen, judgedTokens }) {
  const sha256 = createHash('sha256').update(readFileSync(source.path)).digest('hex');
  console.log(`\n## ${part}: ${seconds.toFixed(0)} s, source ${sha256.slice(0, 12)}`);
  console.log(
    `source: ${source.bitsPerWeight.toFixed(3)} bits a weight, ${source.weightBytes} bytes, perplexity ${source.perplexity.toFixed(2)} over ${judgedTokens} tokens; chosen: ${chosen ?? 'none'}`,
  );
  console.table(
    candidates.map(({ name, quality, speed, sourceSpeed, ...row }) => ({
      name,
      bits: row.bitsPerWeight.toFixed(3),
      bytes: row.weightBytes,
      perplexity: `${(quality.perplexityIncrease * 100).toFixed(2)} ± ${(quality.perplexityIncreaseError * 100).toFixed(2)} %`,
      file: row.filePerplexity?.toFixed(2),
      divergence: quality.divergence.toFixed(5),
      same: `${(quality.sameBest * 100).toFixed(1)} %`,
      prefill: speed && (sourceSpeed.prefillCpuMs / speed.prefillCpuMs).toFixed(2),
      decode: speed && (sourceSpeed.decodeCpuMs / speed.decodeCpuMs).toFixed(2),
      speedup: row.speedup?.toFixed(2),
      formats: JSON.stringify(
        Object.fromEntries(
          Object.entries(row.bytesByFormat).map(([format, bytes]) => [
            format,
            (bytes / 1e6).toFixed(1),
          ]),
        ),
      ),
    })),
  );
  if (sensitivity) console.table(sensitivity);
}
