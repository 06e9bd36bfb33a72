import type { StoredModel } from '@mobillm/core';

/** How fast a model reads and writes, measured beside the source in turns. */
export interface MeasuredSpeed {
  /** CPU time of all threads a token of a prompt, in milliseconds. */
  readonly prefillCpuMs: number;
  /** The same for each token that is written. */
  readonly decodeCpuMs: number;
  /** Time on the clock a token of a prompt, in milliseconds: what other programs take is in it. */
  readonly prefillWallMs: number;
  /** The same for each token that is written. */
  readonly decodeWallMs: number;
}

/** How a candidate's text differs from the source's, on the judged end of the text. */
export interface MeasuredQuality {
  /** See {@link PerplexityReport.perplexity}. */
  readonly perplexity: number;
  /** Share by which perplexity is higher than the source's; below 0 where it is lower. */
  readonly perplexityIncrease: number;
  /** Standard error of `perplexityIncrease`, from the differences token by token. */
  readonly perplexityIncreaseError: number;
  /**
   * Mean Kullback–Leibler divergence of the probabilities of the next token from the source's, in nats: 0
   * where nothing changed. It sees every token of the vocabulary, so it is far less noisy than
   * perplexity, and cannot be lower by luck.
   */
  readonly divergence: number;
  /** Share of positions at which the likeliest token is the source's. */
  readonly sameBest: number;
}

/** A file that was tried. */
export interface OptimizeCandidate {
  /** The format, or `mixed`. */
  readonly name: string;
  /** Bytes of all tensors. */
  readonly weightBytes: number;
  /** Bits a weight, over all tensors. */
  readonly bitsPerWeight: number;
  /** Bytes of the tensors by format. */
  readonly bytesByFormat: Readonly<Record<string, number>>;
  /** Computed with the candidate's weights in place of the source's. */
  readonly quality: MeasuredQuality;
  /**
   * Perplexity of the written file, opened as an engine does, on the same text; left out where none was
   * written.
   */
  readonly filePerplexity?: number;
  /** Of the written file; left out where none was written. */
  readonly speed?: MeasuredSpeed;
  /** The source's in the same turns. */
  readonly sourceSpeed?: MeasuredSpeed;
  /** CPU time of a prompt of 256 tokens and an answer of 64, the source's by the candidate's. */
  readonly speedup?: number;
  /** Why it is not the result, in a sentence; left out for the one that is. */
  readonly rejected?: string;
}

/** How sensitive a group of tensors is, for a budget. */
export interface GroupSensitivity {
  /** What the group's tensors do, and where: `ffn_down, layers 0–7`. */
  readonly group: string;
  /** Format that the group was tried in. */
  readonly format: string;
  /** Mean divergence that this alone causes, in nats. */
  readonly divergence: number;
  /** Bytes that it saves. */
  readonly savedBytes: number;
}

/** What {@link optimizeModel} did and why. */
export interface OptimizeReport {
  /** `written`: there is a new file; `kept`: none pays, and nothing was written. */
  readonly decision: 'written' | 'kept';
  /** Why, in a sentence with its numbers. */
  readonly reason: string;
  /** The source, which is as it was. */
  readonly source: {
    readonly path: string;
    readonly fileBytes: number;
    readonly weightBytes: number;
    readonly bitsPerWeight: number;
    readonly bytesByFormat: Readonly<Record<string, number>>;
    /** On the judged end of the text. */
    readonly perplexity: number;
  };
  /** All that were tried, in the order of trying. */
  readonly candidates: readonly OptimizeCandidate[];
  /** Name of the candidate that was written. */
  readonly chosen?: string;
  /** Where the new file is. */
  readonly path?: string;
  /** Its bytes. */
  readonly fileBytes?: number;
  /** The new model, where it went to a store. */
  readonly stored?: StoredModel;
  /** For a budget: what was measured of the tensors, the most sensitive first. */
  readonly sensitivity?: readonly GroupSensitivity[];
  /** Tokens that judged. */
  readonly judgedTokens: number;
  /** Threads that computed. */
  readonly threads: number;
}
