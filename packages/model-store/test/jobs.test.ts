import { expect, it } from 'vitest';
import { Jobs } from '../src/jobs.js';

const endless = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });

it('ends many jobs at once, and Node has no leak to warn of', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  try {
    const jobs = new Jobs();
    const running = Array.from({ length: 20 }, () => jobs.run(undefined, endless));
    const ends = Promise.allSettled(running);
    await new Promise(setImmediate);
    await jobs.close();
    const closed = expect.objectContaining({ code: 'CLOSED' }) as Error;
    expect(await ends).toEqual(running.map(() => ({ status: 'rejected', reason: closed })));
    await expect(jobs.run(undefined, endless)).rejects.toMatchObject({ code: 'CLOSED' });
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', note);
  }
});
