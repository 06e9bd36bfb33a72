import type { EncodedPrompt } from '../chat/conversation-encoder.js';
import type { ModelDriver } from '../engine/driver.js';
import { MobillmError } from '../errors/mobillm-error.js';
import type { GenerationEvent, StopReason } from '../stream/generation-event.js';
import type { OutputPiece } from '../stream/reasoning-splitter.js';
import type { CachedSequence } from './cached-sequence.js';
import type { GenerationRecord } from './generation-record.js';
import type { GenerationSettings } from './generation-request.js';
import { OutputPipeline } from './output-pipeline.js';

/** Tokens that a driver may be ahead of a reader that does not read. */
const creditTokens = 64;

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
   * Told, once the generation is over in whatever way, which text the cache now stands for; not called
   * when it failed before its first token.
   */
  readonly onTranscript?: (text: string, tokenCount: number) => void;
}

/**
 * Runs one generation on one sequence: uses what its cache shares with the prompt, prefills the rest,
 * decodes, and turns tokens into events. The last event is `finish`.
 */
export async function* generateEvents(
  options: GenerateEventsOptions,
): AsyncGenerator<GenerationEvent, void, void> {
  const { model, sequence, prompt, settings, record, signal } = options;
  const promptTokens = prompt.tokens.length;
  requireFit(promptTokens, model.contextTokens);
  record.promptTokens = promptTokens;
  record.cachedTokens = await sequence.reuse(prompt.tokens);
  signal.throwIfAborted();
  yield prefillEvent(record, 0);

  const output = new OutputPipeline({
    tokenizer: model.tokenizer,
    stops: settings.stops,
    splitReasoning: settings.splitReasoning,
    insideReasoning: prompt.insideReasoning,
    dropsLeadingSpace: options.dropsLeadingSpace,
  });
  /** Sampled tokens that stay in the conversation: neither end token nor stop string. */
  let keptTokens = 0;
  try {
    const spec = {
      maxTokens: settings.maxTokens,
      endTokens: model.tokenizer.endTokens,
      sampling: settings.sampling,
      logprobs: settings.logprobs,
      creditTokens,
    };
    let prefilled = 0;
    let reason: StopReason | undefined;
    const batches = sequence.generate(prompt.tokens.slice(record.cachedTokens), spec, signal);
    for await (const batch of batches) {
      if (batch.prefilledTokens > prefilled) {
        prefilled = batch.prefilledTokens;
        if (record.tokens.length === 0) yield prefillEvent(record, prefilled);
      }
      record.add(batch);
      if (batch.logprobs && batch.logprobs.length > 0) {
        yield { type: 'logprobs', logprobs: batch.logprobs };
      }
      for (const token of batch.tokens) {
        if (model.tokenizer.endTokens.has(token)) continue;
        keptTokens++;
        const step = output.push(token);
        yield* piecesToEvents(step.pieces, record);
        if (step.stop) {
          keptTokens = output.tokensBefore(step.stop.offset);
          record.stopString = step.stop.text;
          reason = 'stop-string';
          break;
        }
      }
      reason ??= batch.finish;
      if (reason !== undefined) break;
    }
    if (reason !== 'stop-string') {
      const last = output.end();
      yield* piecesToEvents(last.pieces, record);
      if (last.stop) {
        keptTokens = output.tokensBefore(last.stop.offset);
        record.stopString = last.stop.text;
        reason = 'stop-string';
      }
    }
    await sequence.truncate(promptTokens + keptTokens);
    record.end(reason ?? 'end-token');
  } finally {
    // Also after a break or an abort: how far the conversation got is known to the token.
    record.end('aborted');
    if (record.tokens.length > 0) {
      options.onTranscript?.(
        prompt.text + output.rawTextAfter(keptTokens),
        promptTokens + keptTokens,
      );
    }
  }
  yield { type: 'finish', result: record.snapshot() };
}

function requireFit(promptTokens: number, contextTokens: number): void {
  if (promptTokens <= contextTokens) return;
  throw new MobillmError(
    'CONTEXT_FULL',
    `The prompt has ${promptTokens} tokens and the context holds ${contextTokens}. Shorten the prompt, or open the model with a larger "contextTokens".`,
    { details: { promptTokens, contextTokens } },
  );
}

function prefillEvent(record: GenerationRecord, newTokens: number): GenerationEvent {
  return {
    type: 'prefill',
    cachedTokens: record.cachedTokens,
    doneTokens: record.cachedTokens + newTokens,
    totalTokens: record.promptTokens,
  };
}

function* piecesToEvents(
  pieces: readonly OutputPiece[],
  record: GenerationRecord,
): Generator<GenerationEvent, void, void> {
  for (const { kind, text } of pieces) {
    if (kind === 'reasoning') record.reasoning += text;
    else record.text += text;
    yield { type: kind === 'reasoning' ? 'reasoning' : 'text', text };
  }
}
