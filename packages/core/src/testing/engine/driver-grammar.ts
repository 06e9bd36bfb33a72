import { beforeEach, describe, expect, it } from 'vitest';
import type { GenerateSpec } from '../../engine/driver.js';
import { greedy } from '../../engine/sampling.js';
import type { Token } from '../../tokenizer/tokenizer.js';
import { type Driven, drive, rejection, specOf, withSequence } from '../drive.js';
import { matchesGbnf } from '../gbnf-recognizer.js';
import { promptOf } from './driving.js';
import type { EngineFixture } from './fixture.js';

const record = String.raw`root ::= "{\"name\": \"" [A-Z] [a-z]{2} "\", \"age\": " age "}"
age ::= [1-9] [0-9]?`;

/** Answers that are held to a grammar. */
export function testDriverGrammar(fixture: EngineFixture): void {
  describe('with a grammar', () => {
    beforeEach((context) => {
      if (!fixture.driver.capabilities.grammar) {
        context.skip('the engine does not declare "grammar"');
      }
    });

    const textOf = (tokens: readonly Token[]) => fixture.model.tokenizer.decode(tokens);
    const answer = (source: string, own: Partial<GenerateSpec> = {}): Promise<Driven> =>
      withSequence(fixture.model, (sequence) =>
        drive(sequence, promptOf(fixture.model), {
          maxTokens: 64,
          grammar: { source, answerTokens: 0 },
          ...own,
        }),
      );
    /** Tokens whose text is that, whichever way the vocabulary spells it. */
    const tokensOf = (text: string): Token[] => {
      const { tokenizer } = fixture.model;
      const wanted = new TextEncoder().encode(text);
      return Array.from({ length: tokenizer.vocabularySize }, (_, token) => token).filter(
        (token) => {
          const bytes = tokenizer.tokenBytes(token);
          return bytes.length > 0 && bytes.every((byte, index) => byte === wanted[index]);
        },
      );
    };

    it('writes only what its grammar allows', async () => {
      for (const sampling of [greedy, { ...greedy, temperature: 1.5, seed: 7 }]) {
        if (
          sampling.temperature > 0 &&
          !fixture.driver.capabilities.sampling.includes('temperature')
        ) {
          continue;
        }
        const { tokens, finish } = await answer(record, { sampling });
        expect(finish).toBe('grammar-end');
        expect([textOf(tokens), matchesGbnf(record, textOf(tokens))]).toEqual([
          expect.stringMatching(/^\{"name": "[A-Z]/),
          true,
        ]);
      }
    });

    it('spells characters of several bytes in full', async () => {
      const source = 'root ::= [一-三]{2} "é" [😀-😂]';
      const { tokens, finish } = await answer(source);
      expect(finish).toBe('grammar-end');
      expect(textOf(tokens)).toMatch(/^[一-三]{2}é[😀-😂]$/u);
    });

    it('ends where by its grammar nothing can follow, and says so', async () => {
      const { tokens, finish, batches } = await answer('root ::= "yes"');
      expect(textOf(tokens)).toBe('yes');
      expect(finish).toBe('grammar-end');
      expect(batches.filter((batch) => batch.finish)).toHaveLength(1);
      const empty = await answer('root ::= ""');
      expect(empty.tokens).toEqual([]);
      expect(empty.finish).toBe('grammar-end');
    });

    it('ends with an end token only where its grammar can end', async (context) => {
      if (!fixture.driver.capabilities.sampling.includes('logitBias')) {
        context.skip('the engine does not declare sampling with "logitBias"');
      }
      const [end = -1] = fixture.model.tokenizer.endTokens;
      const eager = { ...greedy, logitBias: [{ token: end, bias: 1e4 }] };
      const { tokens, finish } = await answer('root ::= [a-z]{5} [a-z]*', {
        sampling: eager,
        endTokens: new Set([end]),
      });
      expect(finish).toBe('end-token');
      expect(tokens.at(-1)).toBe(end);
      expect(textOf(tokens.slice(0, -1))).toMatch(/^[a-z]{5}/);
    });

    it('writes no special token within a grammar', async (context) => {
      const { specialTokens } = fixture.model.tokenizer;
      if (!fixture.driver.capabilities.sampling.includes('logitBias')) {
        context.skip('the engine does not declare sampling with "logitBias"');
      }
      const special = specialTokens.map(({ token }) => token);
      const sampling = { ...greedy, logitBias: special.map((token) => ({ token, bias: 1e4 })) };
      const { tokens } = await answer('root ::= .{0,1000}', { sampling, maxTokens: 8 });
      expect(tokens).toHaveLength(8);
      expect(tokens.filter((token) => special.includes(token))).toEqual([]);
    });

    it('goes on with an answer where its grammar left off', async () => {
      const prompt = promptOf(fixture.model);
      const grammar = { source: record, answerTokens: 0 };
      const whole = await answer(record);
      await withSequence(fixture.model, async (sequence) => {
        const first = await drive(sequence, prompt, { maxTokens: 3, grammar });
        expect(first.finish).toBe('max-tokens');
        const last = first.tokens.slice(-1);
        const rest = await drive(sequence, last, {
          maxTokens: 64,
          grammar: { ...grammar, answerTokens: 3 },
        });
        expect(rest.finish).toBe('grammar-end');
        expect(matchesGbnf(record, textOf([...first.tokens, ...rest.tokens]))).toBe(true);
        expect([...first.tokens, ...rest.tokens]).toHaveLength(whole.tokens.length);
      });
    });

    it('counts the choices that its grammar refused', async (context) => {
      if (!fixture.driver.capabilities.sampling.includes('logitBias')) {
        context.skip('the engine does not declare sampling with "logitBias"');
      }
      const free = await withSequence(fixture.model, (sequence) =>
        drive(sequence, promptOf(fixture.model), { maxTokens: 1 }),
      );
      expect(free.batches.at(-1)?.rejectedTokens).toBeUndefined();
      // It always wants the one letter.
      const [token = -1] = tokensOf('q');
      const sampling = { ...greedy, logitBias: [{ token, bias: 1e4 }] };
      const rejectedOf = async (source: string) => {
        const { tokens, batches } = await answer(source, { sampling, maxTokens: 4 });
        return [tokens.length, batches.at(-1)?.rejectedTokens];
      };
      expect(await rejectedOf('root ::= "q"*')).toEqual([4, 0]);
      expect(await rejectedOf('root ::= [0-9]{100}')).toEqual([4, 4]);
    });

    it('says GRAMMAR_INVALID, with the place, before anything is sampled', async () => {
      for (const source of [
        'root ::= "a',
        'root ::= \n\n x',
        'root ::= root "a" | "b"',
        'no ::= "a"',
      ]) {
        const batches: unknown[] = [];
        const error = await withSequence(fixture.model, (sequence) =>
          rejection(
            (async () => {
              const spec = specOf({ grammar: { source, answerTokens: 0 } });
              for await (const batch of sequence.generate(promptOf(fixture.model), spec)) {
                batches.push(...batch.tokens);
              }
            })(),
          ),
        );
        expect(error).toMatchObject({
          code: 'GRAMMAR_INVALID',
          details: { line: expect.any(Number) as number, column: expect.any(Number) as number },
        });
        expect(batches).toEqual([]);
      }
    });

    it('says GRAMMAR_DEAD_END where no token can follow, after what was written', async (context) => {
      if (!fixture.driver.capabilities.sampling.includes('logitBias')) {
        context.skip('the engine does not declare sampling with "logitBias"');
      }
      const forbidden = tokensOf('q');
      expect(forbidden.length).toBeGreaterThan(0);
      const sampling = {
        ...greedy,
        logitBias: forbidden.map((token) => ({ token, bias: -Infinity })),
      };
      const seen: Token[] = [];
      const error = await withSequence(fixture.model, (sequence) =>
        rejection(
          (async () => {
            const grammar = { source: 'root ::= "xz" "q"', answerTokens: 0 };
            const spec = specOf({ sampling, grammar });
            for await (const batch of sequence.generate(promptOf(fixture.model), spec)) {
              seen.push(...batch.tokens);
            }
          })(),
        ),
      );
      expect(error).toMatchObject({ code: 'GRAMMAR_DEAD_END' });
      expect(textOf(seen)).toBe('xz');
    });
  });
}
