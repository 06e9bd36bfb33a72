import { MobillmError } from '@mobillm/core';
import type {
  ByteProgress,
  GenerationEvent,
  GenerationResult,
  HardwareProfile,
  Model,
  Plan,
} from '@mobillm/core';

/** What the chat shows, in words or as JSON. */
export interface View {
  /** What the machine has, and what was planned on it. */
  plan(hardware: HardwareProfile, plan: Plan): void;
  /** Progress of a job over bytes. */
  bytes(progress: ByteProgress): void;
  /** Progress of loading a model, from 0 to 1. */
  loading(share: number): void;
  /** A model is open. */
  opened(model: Model): void;
  /** Something of an answer has come. */
  event(event: GenerationEvent): void;
  /** The answer was stopped by the user; what came so far. */
  stopped(partial: GenerationResult): void;
  /** Something failed. */
  error(error: unknown): void;
}

/** An error as one sentence and, where there is one, its code. */
export function describeError(error: unknown): { code: string | undefined; message: string } {
  if (MobillmError.is(error)) return { code: error.code, message: error.message };
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    return { code: typeof code === 'string' ? code : undefined, message: error.message };
  }
  return { code: undefined, message: String(error) };
}
