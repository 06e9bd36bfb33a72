import type { NativeStepTimes } from './native.js';
import type { MeasuredSpeed } from './optimize-report.js';
import type { TextScorer } from './text-scorer.js';

/** What is measured: a prompt of so many tokens, an answer of so many, each so many times. */
const sample = { promptTokens: 256, answerTokens: 64, turns: 3 } as const;

/** Tokens that a context for the sample holds. */
export const sampleTokens = sample.promptTokens + sample.answerTokens;

type Turn = Awaited<ReturnType<TextScorer['measure']>>;

/**
 * Measures two models in turns on the same tokens, so that a processor that slows down, or another
 * program, meets both. Of each figure the least counts: what disturbs only adds.
 */
export async function compareSpeed(
  source: TextScorer,
  candidate: TextScorer,
  tokens: Int32Array,
  onProgress: (share: number) => void,
): Promise<{ source: MeasuredSpeed; candidate: MeasuredSpeed; speedup: number }> {
  const prompt = Int32Array.from(
    { length: sample.promptTokens },
    (_, index) => tokens[index % tokens.length] ?? 0,
  );
  const turns: { readonly source: Turn; readonly candidate: Turn }[] = [];
  while (turns.length < sample.turns) {
    turns.push({
      source: await source.measure(prompt, sample.answerTokens),
      candidate: await candidate.measure(prompt, sample.answerTokens),
    });
    onProgress(turns.length / sample.turns);
  }
  const speeds = {
    source: leastOf(turns.map((turn) => turn.source)),
    candidate: leastOf(turns.map((turn) => turn.candidate)),
  };
  return { ...speeds, speedup: exchangeMs(speeds.source) / exchangeMs(speeds.candidate) };
}

/** CPU time of a prompt and an answer. */
function exchangeMs({ prefillCpuMs, decodeCpuMs }: MeasuredSpeed): number {
  return prefillCpuMs * sample.promptTokens + decodeCpuMs * sample.answerTokens;
}

function leastOf(turns: readonly Turn[]): MeasuredSpeed {
  const least = (times: readonly NativeStepTimes[], clock: keyof NativeStepTimes, tokens: number) =>
    (Math.min(...times.map((time) => time[clock])) * 1000) / tokens;
  const prefills = turns.map(({ prefill }) => prefill);
  const decodes = turns.map(({ decode }) => decode);
  return {
    prefillCpuMs: least(prefills, 'cpuSeconds', sample.promptTokens),
    decodeCpuMs: least(decodes, 'cpuSeconds', sample.answerTokens),
    prefillWallMs: least(prefills, 'wallSeconds', sample.promptTokens),
    decodeWallMs: least(decodes, 'wallSeconds', sample.answerTokens),
  };
}
