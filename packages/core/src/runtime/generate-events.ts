import type { EncodedPrompt } from '../chat/conversation-encoder.js';
import type { ModelDriver } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { GenerationEvent, StopReason } from '../stream/generation-event.js';
import type { OutputPiece } from '../stream/reasoning-splitter.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { CachedSequence } from './cached-sequence.js';
import type { GenerationRecord } from './generation-record.js';
import type { GenerationSettings } from './generation-request.js';
import { OutputPipeline } from './output-pipeline.js';

/** Tokens that a driver may be ahead of a reader that does not read. */
const creditTokens = 64;
/** Room that a run is given for its answer at first; more is found when the pool runs out. */
const firstAnswerTokens = 64;

/** What {@link generateEvents} works on. */
export interface GenerateEventsOptions {
  readonly model: ModelDriver;
  readonly sequence: CachedSequence;
  readonly prompt: EncodedPrompt;
  readonly settings: GenerationSettings;
  /** Filled while the generation runs. */
  readonly record: GenerationRecord;
  readonly signal: AbortSignal;
  readonly dropsLeadingSpace: boolean;
  /**
   * Gives a shorter prompt when the context is full with so many tokens of the answer; nothing where
   * there is none, and always by default.
   */
  readonly shift?: (answerTokens: number) => EncodedPrompt | undefined;
  /** See `SequencePool.prepare`. */
  readonly prepare: (
    tokens: readonly Token[],
    moreTokens: number,
    shifts: boolean,
  ) => Promise<number>;
  /**
   * Told, once the generation is over in whatever way, which text and tokens the cache now stands for;
   * not called when it failed before its first token.
   */
  readonly onTranscript?: (text: string, tokens: readonly Token[]) => void;
}

/**
 * Runs one generation on one sequence: uses what its cache shares with the prompt, prefills the rest,
 * decodes, and turns tokens into events. The last event is `finish`.
 */
export async function* generateEvents(
  options: GenerateEventsOptions,
): AsyncGenerator<GenerationEvent, void, void> {
  const { model, sequence, settings, record } = options;
  let { prompt } = options;
  requireFit(prompt.tokens.length, model.contextTokens);
  record.promptTokens = prompt.tokens.length;
  record.droppedMessages = prompt.droppedMessages ?? 0;
  const output = new OutputPipeline({
    tokenizer: model.tokenizer,
    stops: settings.stops,
    splitReasoning: settings.splitReasoning,
    insideReasoning: prompt.insideReasoning,
    dropsLeadingSpace: options.dropsLeadingSpace,
  });
  const answer = new Answer(output, record);
  try {
    let reason: StopReason | undefined;
    for (let part = 0; reason === undefined; part++) {
      const tokens = part === 0 ? prompt.tokens : [...prompt.tokens, ...record.tokens];
      const more = Math.min(firstAnswerTokens, settings.maxTokens - record.tokens.length);
      const cached = await options.prepare(tokens, more, prompt.drops ?? false);
      if (part === 0) {
        record.cachedTokens = cached;
        yield prefillEvent(record, cached);
      }
      reason = yield* generatePart(options, answer, tokens, cached);
      // The driver ran out of room, but this sequence has not: others hold the rest of the pool. Room
      // is made, or waited for, and the answer goes on from its last token.
      if (reason !== 'context-full') continue;
      if (prompt.tokens.length + record.tokens.length > model.contextTokens) {
        const shorter = options.shift?.(record.tokens.length);
        if (!shorter) continue;
        prompt = shorter;
        record.droppedMessages = prompt.droppedMessages ?? 0;
      }
      reason = undefined;
    }
    if (reason !== 'stop-string') {
      yield* answer.end();
      if (answer.stopped) reason = 'stop-string';
    }
    await sequence.truncate(prompt.tokens.length + answer.keptTokens);
    record.end(reason);
  } finally {
    // Also after a break or an abort: how far the conversation got is known to the token.
    record.end('aborted');
    if (record.tokens.length > 0) {
      const { keptTokens } = answer;
      options.onTranscript?.(prompt.text + output.rawTextAfter(keptTokens), [
        ...prompt.tokens,
        ...record.tokens.slice(0, keptTokens),
      ]);
    }
  }
  yield { type: 'finish', result: record.snapshot() };
}

/** Lets the driver work once, from what is cached; returns why it ended. */
async function* generatePart(
  options: GenerateEventsOptions,
  answer: Answer,
  tokens: readonly Token[],
  cached: number,
): AsyncGenerator<GenerationEvent, StopReason, void> {
  const { model, settings, record } = options;
  const { endTokens } = model.tokenizer;
  record.beginPart();
  const done = record.tokens.length;
  const spec = {
    maxTokens: settings.maxTokens - done,
    keepLogits: false,
    endTokens,
    // A part that goes on must not draw the same numbers again.
    sampling: { ...settings.sampling, seed: (settings.sampling.seed + done) >>> 0 },
    logprobs: settings.logprobs,
    creditTokens,
  };
  let prefilled = 0;
  for await (const batch of options.sequence.generate(tokens.slice(cached), spec, options.signal)) {
    record.clock(batch);
    if (batch.prefilledTokens > prefilled && done === 0) {
      prefilled = batch.prefilledTokens;
      yield prefillEvent(record, cached + prefilled);
    }
    for (const [index, token] of batch.tokens.entries()) {
      const logprobs = batch.logprobs?.[index];
      record.add(token, logprobs);
      if (logprobs) yield { type: 'logprobs', logprobs: [logprobs] };
      if (endTokens.has(token)) continue;
      yield* answer.push(token);
      // What the driver sampled beyond the stop string is no part of the result.
      if (answer.stopped) return 'stop-string';
    }
    if (batch.finish) return batch.finish;
  }
  throw new MobillmError(
    'NATIVE_FAILURE',
    'The engine ended a generation without saying why. This is a fault of the engine; its author can find it with describeEngine.',
  );
}

/** The text of an answer as it grows, and how many of its tokens the conversation keeps. */
class Answer {
  readonly #output: OutputPipeline;
  readonly #record: GenerationRecord;
  /** Sampled tokens that stay in the conversation: neither end token nor stop string. */
  keptTokens = 0;
  /** Whether a stop string was found. */
  stopped = false;

  constructor(output: OutputPipeline, record: GenerationRecord) {
    this.#output = output;
    this.#record = record;
  }

  *push(token: Token): Generator<GenerationEvent, void, void> {
    this.keptTokens++;
    yield* this.#take(this.#output.push(token));
  }

  *end(): Generator<GenerationEvent, void, void> {
    const wholeLength = this.#output.rawText.length;
    yield* this.#take(this.#output.end());
    // The last character stayed incomplete: its first bytes are of no use to the next turn.
    if (!this.stopped && this.#output.rawText.length > wholeLength) {
      this.keptTokens = this.#output.tokensBefore(wholeLength);
    }
  }

  *#take(step: ReturnType<OutputPipeline['push']>): Generator<GenerationEvent, void, void> {
    if (step.stop) {
      this.stopped = true;
      this.keptTokens = this.#output.tokensBefore(step.stop.offset);
      this.#record.stopString = step.stop.text;
    }
    for (const piece of step.pieces) yield toEvent(piece, this.#record);
  }
}

function requireFit(promptTokens: number, contextTokens: number): void {
  if (promptTokens <= contextTokens) return;
  throw new MobillmError(
    'CONTEXT_FULL',
    `The prompt has ${promptTokens} tokens and the context holds ${contextTokens}. Shorten the prompt, open the model with a larger "contextTokens", or let a session drop its oldest messages with contextPolicy: "shift".`,
    { details: { promptTokens, contextTokens } },
  );
}

function prefillEvent(record: GenerationRecord, doneTokens: number): GenerationEvent {
  const { cachedTokens, promptTokens } = record;
  return { type: 'prefill', cachedTokens, doneTokens, totalTokens: promptTokens };
}

function toEvent({ kind, text }: OutputPiece, record: GenerationRecord): GenerationEvent {
  if (kind === 'reasoning') record.reasoning += text;
  else record.text += text;
  return { type: kind === 'reasoning' ? 'reasoning' : 'text', text };
}
