import {
  type GgufLayout,
  MobillmError,
  type ModelFiles,
  type ModelSource,
  validateGgufFile,
  wrongValue,
} from '@mobillm/core';
import { toModelFiles } from '@mobillm/core/native';
import type { LlamaCppAddon } from '../addon.js';
import { resolveOpenOptions } from '../engine-options.js';
import { type ModelHeader, ModelHeaders } from '../model-header.js';
import { CandidateFile } from './candidate-file.js';
import { candidatePlans, workBytes } from './candidate-plans.js';
import { compareSpeed, sampleTokens } from './compare-speed.js';
import { loadAddon, requireGenerating, resolveWindow } from './measure-perplexity.js';
import {
  type OptimizeOptions,
  type OptimizeProgress,
  type ResolvedOptimizeOptions,
  resolveOptimizeOptions,
} from './optimize-options.js';
import { keptReason, tooFar, writtenReason } from './optimize-reasons.js';
import type { OptimizeCandidate, OptimizeReport } from './optimize-report.js';
import { requirePlace, resultPaths, type ResultPaths } from './result-paths.js';
import { TextQuality } from './text-quality.js';
import { TextScorer } from './text-scorer.js';
import { scoredTokens, type TextWindow, textWindows } from './text-windows.js';
import { type Matrix, matricesOf, sizesOf, type WeightPlan } from './weight-plan.js';

/** A plan with its name and what is known of it so far. */
interface Candidate {
  readonly plan: WeightPlan;
  row: OptimizeCandidate;
}

/**
 * Writes a model's weights in other number formats for this device, where measuring says that it pays: it
 * compares candidates with the source on a text (perplexity, and how far the probabilities of the next
 * token move), takes the time of both in turns, and writes a file only if a candidate is fast enough and
 * close enough. The report has all numbers, whatever was decided. See docs/optimizing.md.
 *
 * The source is only read. The new file is written beside its final place under a name of its own,
 * checked, and renamed when it is whole; where the call rejects, nothing is left. Measures the CPU.
 *
 * @throws MobillmError as `Engine.open` and `ModelStore.add`; `IO_FAILED` where the file cannot be written
 * or its name is taken, which is found out before the work begins, with `details.neededBytes` and `availableBytes` where the disk has no room;
 * `UNSUPPORTED` for a model of several files, or one that does not generate.
 * @throws InvalidArgument for bad options, a text that is too short, and a budget that no choice meets.
 */
export async function optimizeModel(
  source: ModelFiles | string,
  options: OptimizeOptions,
): Promise<OptimizeReport> {
  const checked = resolveOptimizeOptions(options);
  const { signal } = checked;
  const files = toModelFiles(source, { formats: ['gguf'] });
  const addon = await loadAddon(checked.addon);
  const header = await new ModelHeaders(addon).read(files, signal);
  requireGenerating(header);
  if (header.split) {
    throw new MobillmError(
      'UNSUPPORTED',
      `The model ${header.path} consists of several files. Join them first, with llama-gguf-split --merge.`,
      { details: { path: header.path } },
    );
  }
  const layout = await validateGgufFile(header.path, signal && { signal });
  const derivedFrom = sourceOf(files);
  const optimization = new Optimization(addon, header, layout, checked, derivedFrom);
  return optimization.run();
}

/** The source as a store knows it; a file that came from none has no name that means anything to one. */
function sourceOf({ name, files }: ModelFiles): ModelSource | undefined {
  const sha256 = files.find(({ role }) => role === 'weights')?.sha256;
  return name === undefined ? undefined : { name, ...(sha256 !== undefined && { sha256 }) };
}

class Optimization {
  readonly #addon: LlamaCppAddon;
  readonly #header: ModelHeader;
  readonly #layout: GgufLayout;
  readonly #options: ResolvedOptimizeOptions;
  readonly #windowTokens: number;
  readonly #paths: ResultPaths;
  readonly #derivedFrom: ModelSource | undefined;
  #threads = 0;
  #matrices: readonly Matrix[] = [];

  constructor(
    addon: LlamaCppAddon,
    header: ModelHeader,
    layout: GgufLayout,
    options: ResolvedOptimizeOptions,
    derivedFrom: ModelSource | undefined,
  ) {
    this.#addon = addon;
    this.#header = header;
    this.#layout = layout;
    this.#options = options;
    const { windowTokens } = options;
    const window = resolveWindow(windowTokens === undefined ? {} : { windowTokens }, header);
    this.#windowTokens = window.windowTokens;
    this.#paths = resultPaths(header.path, options);
    this.#derivedFrom = derivedFrom;
  }

  async run(): Promise<OptimizeReport> {
    const { store, signal, overwrite } = this.#options;
    const { final, name } = this.#paths;
    await requirePlace(this.#addon, this.#header, this.#paths, {
      bytes: workBytes(this.#layout, this.#options),
      overwrite,
    });
    const { judged, sensitivity, sourcePerplexity, windows, tokens } = await this.#judge();
    const source = {
      path: this.#header.path,
      fileBytes: this.#header.fileBytes,
      ...sizesOf(this.#layout, new Map()),
      perplexity: sourcePerplexity,
    };
    const best = await this.#timeAll(judged, tokens, windows, sourcePerplexity);
    const report = {
      source,
      candidates: judged.map(({ row }) => row),
      ...(sensitivity && { sensitivity: sensitivity.groups }),
      judgedTokens: scoredTokens(windows),
      threads: this.#threads,
    };
    if (best === undefined) {
      return { decision: 'kept', reason: keptReason(report.candidates), ...report };
    }
    const { candidate, file } = best;
    try {
      file.commit(final, overwrite);
      const stored = await store?.add(final, {
        name,
        placement: 'move',
        ...(this.#derivedFrom && { derivedFrom: this.#derivedFrom }),
        ...(signal && { signal }),
      });
      // A store that had this content already leaves the file to us, and it goes.
      const storedPath = stored?.files.files[0]?.path;
      if (storedPath === undefined || storedPath === final) file.release();
      return {
        decision: 'written',
        reason: writtenReason(candidate.row),
        ...report,
        chosen: candidate.row.name,
        path: storedPath ?? final,
        fileBytes: file.fileBytes,
        ...(stored && { stored }),
      };
    } finally {
      file.close();
    }
  }

  /** Compares all candidates with the source, in memory; writes nothing. */
  async #judge() {
    const scorer = await this.#open(this.#header, 'weights');
    try {
      this.#threads = scorer.threads;
      const tokens = await scorer.encode(this.#options.text);
      const { learned, judged: windows } = this.#split(tokens, scorer);
      await this.#learn(scorer, learned);
      const uses = await scorer.weights();
      this.#matrices = matricesOf(this.#layout, uses);
      const quality = new TextQuality(scorer, windows, 0);
      await quality.keep((share) => this.#tell('judging', share, 'source'));
      const { plans, sensitivity } = await candidatePlans({
        ...{ scorer, learned, layout: this.#layout, matrices: this.#matrices },
        ...{ options: this.#options, firstPlace: windows.length },
        onProgress: (share) => this.#tell('sensitivity', share),
      });
      const judged: Candidate[] = [];
      for (const [name, plan] of plans) {
        const measured = await quality.judge(plan, this.#weighted, (share) =>
          this.#tell('judging', share, name),
        );
        judged.push({ plan, row: { name, ...sizesOf(this.#layout, plan), quality: measured } });
      }
      return { judged, sensitivity, sourcePerplexity: quality.sourcePerplexity, windows, tokens };
    } finally {
      await scorer.close();
    }
  }

  /** The text in two: what is learned from, and behind it what judges. */
  #split(
    tokens: Int32Array,
    { bosToken }: TextScorer,
  ): { readonly learned: TextWindow[]; readonly judged: TextWindow[] } {
    if (tokens.length < leastTokens) {
      throw wrongValue(
        'text',
        `has ${tokens.length} tokens, and to learn from one part and judge by another takes ${leastTokens} at least`,
      );
    }
    const { judgedTokens, learnedTokens } = this.#options;
    const border = tokens.length - Math.min(judgedTokens, Math.floor(tokens.length / 2));
    const windowTokens = this.#windowTokens;
    const judged = { windowTokens, strideTokens: Math.floor(windowTokens / 2), bosToken };
    const learned = { windowTokens, strideTokens: windowTokens - 1, bosToken };
    const begin = Math.max(0, border - learnedTokens);
    return {
      learned: textWindows(tokens.subarray(begin, border), learned),
      judged: textWindows(tokens.subarray(border), judged),
    };
  }

  async #learn(scorer: TextScorer, windows: readonly TextWindow[]): Promise<void> {
    for (const [index, { tokens }] of windows.entries()) {
      // Every token is scored, though the scores are of no use: of those that are not, the library
      // leaves out the end of the last layer, and the output.
      await scorer.score({ tokens, first: 1, reference: 'none', place: 0, learn: true });
      this.#tell('learning', (index + 1) / windows.length);
    }
  }

  /**
   * Writes and times those that are close enough to the source.
   *
   * @returns the best of them with its file, which has no name yet; the others' are gone.
   */
  async #timeAll(
    judged: readonly Candidate[],
    tokens: Int32Array,
    windows: readonly TextWindow[],
    sourcePerplexity: number,
  ): Promise<{ candidate: Candidate; file: CandidateFile } | undefined> {
    let best: { candidate: Candidate; file: CandidateFile } | undefined;
    const { maxPerplexityIncrease, target } = this.#options;
    // With a budget, quality decides and time is only told.
    const order =
      typeof target === 'string'
        ? judged
        : [...judged].sort((a, b) => a.row.quality.divergence - b.row.quality.divergence);
    try {
      for (const candidate of order) {
        if (candidate.row.quality.perplexityIncrease > maxPerplexityIncrease) {
          reject(candidate, tooFar(candidate.row, maxPerplexityIncrease));
          continue;
        }
        if (best && typeof target !== 'string') {
          reject(candidate, `Its divergence is above that of ${best.candidate.row.name}.`);
          continue;
        }
        const file = await this.#time(candidate, tokens, windows, sourcePerplexity);
        if (candidate.row.rejected !== undefined) {
          file.close();
        } else if (best && (best.candidate.row.speedup ?? 0) >= (candidate.row.speedup ?? 0)) {
          reject(candidate, `It is not faster than ${best.candidate.row.name}.`);
          file.close();
        } else {
          if (best) reject(best.candidate, `It is not faster than ${candidate.row.name}.`);
          best?.file.close();
          best = { candidate, file };
        }
      }
      return best;
    } catch (error) {
      best?.file.close();
      throw error;
    }
  }

  /** Writes a candidate's file, and measures it as the engine opens it. */
  async #time(
    candidate: Candidate,
    tokens: Int32Array,
    windows: readonly TextWindow[],
    sourcePerplexity: number,
  ): Promise<CandidateFile> {
    const { name } = candidate.row;
    const { signal, minSpeedup, maxPerplexityIncrease } = this.#options;
    const file = await CandidateFile.write({
      addon: this.#addon,
      header: this.#header,
      layout: this.#layout,
      matrices: this.#matrices,
      plan: candidate.plan,
      weighted: this.#weighted,
      threads: this.#threads,
      path: `${this.#paths.work}.${name}.partial`,
      signal,
      onProgress: (share) => this.#tell('writing', share, name),
    });
    const opened: TextScorer[] = [];
    try {
      const files = toModelFiles(file.path, { formats: ['gguf'] });
      const header = await new ModelHeaders(this.#addon).read(files, signal);
      const scorer = await this.#open(header, 'text');
      opened.push(scorer);
      const quality = new TextQuality(scorer, windows, 0);
      const filePerplexity = await quality.perplexity((share) =>
        this.#tell('judging', share, name),
      );
      await opened.pop()?.close();
      candidate.row = { ...candidate.row, filePerplexity };
      if (filePerplexity / sourcePerplexity - 1 > maxPerplexityIncrease) {
        reject(candidate, tooFar(candidate.row, maxPerplexityIncrease));
        return file;
      }
      opened.push(await this.#open(this.#header, 'speed'), await this.#open(header, 'speed'));
      const [source, own] = opened as [TextScorer, TextScorer];
      const speeds = await compareSpeed(source, own, tokens, (share) =>
        this.#tell('timing', share, name),
      );
      candidate.row = {
        ...candidate.row,
        speed: speeds.candidate,
        sourceSpeed: speeds.source,
        speedup: speeds.speedup,
      };
      // Also where it cannot be told.
      if (!(speeds.speedup >= minSpeedup)) {
        reject(
          candidate,
          `It is ${speeds.speedup.toFixed(2)} times as fast as the source, and ${minSpeedup} is the least that pays.`,
        );
      }
      return file;
    } catch (error) {
      file.close();
      throw error;
    } finally {
      for (const scorer of opened) await scorer.close();
    }
  }

  #open(header: ModelHeader, use: 'text' | 'weights' | 'speed'): Promise<TextScorer> {
    const { threads, signal } = this.#options;
    return TextScorer.open(this.#addon, header, {
      use,
      contextTokens: use === 'speed' ? sampleTokens : this.#windowTokens,
      // All that follows the first one gets as many as that one found free.
      threads: this.#threads > 0 ? this.#threads : threads === 'auto' ? 0 : threads,
      own: resolveOpenOptions(use === 'speed' ? {} : { batchTokens: 128 }),
      signal,
    });
  }

  get #weighted(): boolean {
    return this.#options.importance === 'measured';
  }

  #tell(phase: OptimizeProgress['phase'], share: number, candidate?: string): void {
    this.#options.onProgress?.({ phase, share, ...(candidate !== undefined && { candidate }) });
  }
}

/** A part that learns and a part that judges, of which each says something. */
const leastTokens = 300;

function reject(candidate: Candidate, rejected: string): void {
  candidate.row = { ...candidate.row, rejected };
}
