import type { GenerationEvent, GenerationResult } from '../stream/generation-event.js';
import type { GenerationRun } from '../stream/generation-run.js';
import { PulledRun } from './pulled-run.js';

/** A generation that runs while somebody pulls. */
export class RunHandle
  extends PulledRun<GenerationEvent, GenerationResult>
  implements GenerationRun
{
  async *textStream(): AsyncGenerator<string, void, void> {
    for await (const event of this) if (event.type === 'text') yield event.text;
  }
}
