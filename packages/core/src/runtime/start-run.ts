import type { EncodedPrompt } from '../chat/conversation-encoder.js';
import type { CallFormat } from '../chat/tools/call-format.js';
import type { ModelDriver } from '../engine/driver.js';
import type { GenerationEvent } from '../stream/generation-event.js';
import { appliedAdapters, beginWith } from './adapter-set.js';
import type { CachedSequence } from './cached-sequence.js';
import { generateEvents, type GenerateEventsOptions } from './generate-events.js';
import { GenerationRecord } from './generation-record.js';
import type { GenerationSettings } from './generation-request.js';
import type { Lifetime } from './lifetime.js';
import { RunHandle } from './run-handle.js';
import type { SequencePool } from './sequence-pool.js';

/** What a run begins with. */
export interface PreparedRun {
  readonly prompt: EncodedPrompt;
  readonly sequence: CachedSequence;
}

/** What one run needs of the model or session that it belongs to. */
export interface RunPlan {
  readonly model: ModelDriver;
  readonly pool: SequencePool;
  /** Whose `close` ends the run. */
  readonly lifetime: Lifetime;
  readonly settings: GenerationSettings;
  readonly dropsLeadingSpace: boolean;
  /** How the model writes calls, and the ids of those that went before; called when the run starts. */
  readonly calls?: () => { readonly format: CallFormat; readonly usedIds: readonly string[] };
  /** See `GenerateEventsOptions.shift`. */
  readonly shift?: GenerateEventsOptions['shift'];
  /** Renders and encodes the prompt, and gets the sequence to run on, when the run starts. */
  readonly acquire: (signal: AbortSignal) => Promise<PreparedRun>;
  /** Called once after `acquire`, however the run ended. */
  readonly release: (sequence: CachedSequence) => void;
  /** See `GenerateEventsOptions.onTranscript`. */
  readonly onTranscript?: (text: string, tokens: readonly number[], answer: string) => void;
  /** Called once when the run is over; `failed` unless it finished, was left, or was aborted. */
  readonly onEnd?: (outcome: 'kept' | 'failed', record: GenerationRecord) => void;
}

/** Makes a run that starts when it is first pulled. */
export function startRun(plan: RunPlan): RunHandle {
  const { settings, model } = plan;
  const record = new GenerationRecord({
    seed: settings.sampling.seed,
    placement: () => model.placement(),
    adapters: appliedAdapters(settings.adapters),
    logprobs: settings.logprobs !== undefined,
    json: settings.form === 'schema',
  });
  const run: RunHandle = new RunHandle({
    snapshot: () => record.snapshot(),
    onLeave: () => {
      record.end('aborted');
    },
    start: () =>
      runEvents(plan, record, (reason) => {
        run.stop(reason);
      }),
  });
  return run;
}

async function* runEvents(
  plan: RunPlan,
  record: GenerationRecord,
  stop: (reason: unknown) => void,
): AsyncGenerator<GenerationEvent, void, void> {
  const { lifetime, settings } = plan;
  const job = beginWith(settings.adapters, lifetime, settings.signal, stop);
  let outcome: 'kept' | 'failed' = 'kept';
  try {
    job.signal.throwIfAborted();
    const { prompt, sequence } = await plan.acquire(job.signal);
    try {
      yield* generateEvents({
        model: plan.model,
        sequence,
        prompt,
        settings: plan.settings,
        record,
        signal: job.signal,
        dropsLeadingSpace: plan.dropsLeadingSpace,
        calls: plan.settings.tools.length > 0 ? plan.calls?.() : undefined,
        prepare: (tokens, moreTokens, shifts) =>
          plan.pool.prepare(sequence, tokens, moreTokens, job.signal, {
            shifts,
            adapters: plan.settings.adapters,
          }),
        ...(plan.shift && { shift: plan.shift }),
        onTranscript: (text, tokens, answer) => plan.onTranscript?.(text, tokens, answer),
      });
    } finally {
      plan.release(sequence);
    }
  } catch (error) {
    if (!job.signal.aborted) outcome = 'failed';
    throw error;
  } finally {
    record.end('aborted');
    plan.onEnd?.(outcome, record);
    job.end();
  }
}
