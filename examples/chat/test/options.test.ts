import { describe, expect, it } from 'vitest';
import { parseOptions, UsageError } from '../src/options.js';

describe('the command line', () => {
  it('has a default for everything', () => {
    expect(parseOptions([])).toEqual({
      prompt: undefined,
      model: undefined,
      system: undefined,
      contextTokens: 'auto',
      threads: 'auto',
      generation: { maxTokens: 1024 },
      output: 'text',
      help: false,
    });
  });

  it('takes words without quotes for one message', () => {
    expect(parseOptions(['why', 'is', 'the', 'sky', 'blue?']).prompt).toBe('why is the sky blue?');
  });

  it('reads every option', () => {
    const args =
      '--model m --system s --context 512 --threads 2 --max-tokens 9 --seed 0 --temperature 0.5 --json --help hi';
    expect(parseOptions(args.split(' '))).toEqual({
      prompt: 'hi',
      model: 'm',
      system: 's',
      contextTokens: 512,
      threads: 2,
      generation: { maxTokens: 9, seed: 0, temperature: 0.5 },
      output: 'json',
      help: true,
    });
  });

  it.each([
    [['--context', '0'], '--context must be an integer from 1 to 2147483648, not "0"'],
    [['--threads', 'many'], '--threads must be an integer from 1 to 1024, not "many"'],
    [['--threads', '1.5'], '--threads must be an integer from 1 to 1024, not "1.5"'],
    [['--seed', '4294967296'], '--seed must be an integer from 0 to 4294967295, not "4294967296"'],
    [['--temperature', ''], '--temperature must be a number from 0 to 100, not ""'],
    [['--warp'], "Unknown option '--warp'"],
  ])('%j is refused with the option named', (args, sentence) => {
    expect(() => parseOptions(args)).toThrow(new UsageError(sentence));
  });
});
