import type { EncodedPrompt } from '../chat/conversation-encoder.js';
import type { CallFormat } from '../chat/tools/call-format.js';
import type { GenerateSpec, ModelDriver } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { GenerationEvent, StopReason } from '../stream/generation-event.js';
import type { Token } from '../tokenizer/tokenizer.js';
import type { CachedSequence } from './cached-sequence.js';
import type { GenerationRecord } from './generation-record.js';
import type { GenerationSettings } from './generation-request.js';
import { OutputPipeline, type PipelinePiece } from './output-pipeline.js';

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
  /** How the model writes calls, and the ids of those that went before; absent without tools. */
  readonly calls: { readonly format: CallFormat; readonly usedIds: readonly string[] } | undefined;
  /**
   * Gives a shorter prompt when the context is full with so many tokens of the answer; nothing where
   * there is none, and always by default.
   */
  readonly shift?: (
    answerTokens: number,
    signal: AbortSignal,
  ) => Promise<EncodedPrompt | undefined>;
  /** See `SequencePool.prepare`. */
  readonly prepare: (
    tokens: readonly Token[],
    moreTokens: number,
    shifts: boolean,
  ) => Promise<number>;
  /**
   * Told, once the generation is over in whatever way, which text and tokens the cache now stands for,
   * and all that the assistant said, with what begins and closes forced calls; not called when it failed
   * before its first token.
   */
  readonly onTranscript?: (text: string, tokens: readonly Token[], answer: string) => void;
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
    splitReasoning: settings.splitReasoning && !hasOwnForm(settings),
    // An answer of a stated form is an answer from its first character, even where the prompt opens a
    // thought.
    insideReasoning: prompt.insideReasoning && !hasOwnForm(settings),
    dropsLeadingSpace: options.dropsLeadingSpace,
    calls: options.calls && {
      ...options.calls,
      tools: settings.tools,
      promptText: prompt.text,
      begun: settings.forced?.opening,
    },
  });
  const answer = new Answer(output, record);
  let complete = false;
  try {
    let reason: StopReason | undefined;
    for (let part = 0; reason === undefined; part++) {
      const tokens = part === 0 ? prompt.tokens : [...prompt.tokens, ...record.tokens];
      const more = Math.min(firstAnswerTokens, settings.maxTokens - record.tokens.length);
      const prepare = () => options.prepare(tokens, more, prompt.drops ?? false);
      let cached = await prepare();
      if (part === 0) {
        record.cachedTokens = cached;
        sequence.awaitReader();
        yield prefillEvent(record, cached);
        await sequence.readOn();
        // While nobody read, others may have needed the room.
        if (sequence.reservedTokens === 0) record.cachedTokens = cached = await prepare();
      }
      reason = yield* generatePart(options, answer, tokens, cached);
      // The driver ran out of room, but this sequence has not: others hold the rest of the pool. Room
      // is made, or waited for, and the answer goes on from its last token.
      if (reason !== 'context-full') continue;
      if (prompt.tokens.length + record.tokens.length > model.contextTokens) {
        const shorter = await options.shift?.(record.tokens.length, options.signal);
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
    complete = true;
    await sequence.truncate(prompt.tokens.length + answer.keptTokens);
    record.end(reason);
  } finally {
    // Also after a break or an abort: how far the conversation got is known to the token.
    if (!complete && !answer.stopped) answer.abandon();
    record.end('aborted');
    if (record.tokens.length > 0) {
      const { keptTokens } = answer;
      const written = output.rawTextAfter(keptTokens);
      const tokens = [...prompt.tokens, ...record.tokens.slice(0, keptTokens)];
      // What closes calls is no text that a model may choose: the next prompt brings it along.
      const closing = record.toolCallProblems.length === 0 ? (settings.forced?.closing ?? '') : '';
      const whole = (prompt.begun ?? '') + written + closing;
      options.onTranscript?.(prompt.text + written, tokens, whole);
    }
  }
  yield { type: 'finish', result: record.snapshot() };
}

/** Whether the whole output is the answer; a raw grammar may have room for a thought. */
function hasOwnForm({ form, forced }: GenerationSettings): boolean {
  return forced !== undefined || form === 'schema' || form === 'regex';
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
  const grammar = settings.forced?.grammar(options.prompt.text) ?? settings.grammar;
  const spec: GenerateSpec = {
    maxTokens: settings.maxTokens - done,
    keepLogits: false,
    endTokens,
    // A part that goes on must not draw the same numbers again.
    sampling: { ...settings.sampling, seed: (settings.sampling.seed + done) >>> 0 },
    speculation: settings.speculation,
    logprobs: settings.logprobs,
    ...(grammar !== undefined && { grammar: { source: grammar, answerTokens: done } }),
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

  /** Notes what was kept back of a call in whose middle the answer was broken off. */
  abandon(): void {
    for (const piece of this.#output.abandon()) note(piece, this.#record);
  }

  *#take(step: ReturnType<OutputPipeline['push']>): Generator<GenerationEvent, void, void> {
    if (step.stop) {
      this.stopped = true;
      this.keptTokens = this.#output.tokensBefore(step.stop.offset);
      this.#record.stopString = step.stop.text;
    }
    for (const piece of step.pieces) yield note(piece, this.#record);
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

/** Adds a piece to what has come, and gives the event that tells of it. */
function note(piece: PipelinePiece, record: GenerationRecord): GenerationEvent {
  switch (piece.kind) {
    case 'reasoning':
      record.reasoning += piece.text;
      return { type: 'reasoning', text: piece.text };
    case 'answer':
      record.text += piece.text;
      return { type: 'text', text: piece.text };
    case 'call-start':
      return { type: 'tool-call-start', id: piece.id, name: piece.name };
    case 'call-delta':
      return { type: 'tool-call-delta', id: piece.id, text: piece.text };
    case 'call':
      record.toolCalls.push(piece.call);
      return { type: 'tool-call', call: piece.call };
    case 'call-problem':
      record.toolCallProblems.push(piece.problem);
      return { type: 'tool-call-problem', id: piece.id, problem: piece.problem };
  }
}
