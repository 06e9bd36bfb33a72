import { MobillmError, type Token, type Tokenizer } from '@mobillm/core';

/** What a {@link RerankPrompt} is made with. */
export interface RerankPromptOptions {
  /** Text with `{query}` and `{document}` in it, special tokens spelled; empty for none. */
  readonly template: string;
  /** What stands between two texts where there is no template. */
  readonly separator: readonly Token[];
  /** Context of the model, in tokens. */
  readonly contextTokens: number;
}

/** A query and a document as tokens, and how many at the end are no part of the document. */
interface Pair {
  readonly tokens: readonly Token[];
  readonly tailLength: number;
}

/** Puts a query and documents together as a model was trained to read them. */
export class RerankPrompt {
  readonly #tokenizer: Tokenizer;
  readonly #options: RerankPromptOptions;
  readonly #pieces: readonly string[];
  readonly #special: ReadonlyMap<string, Token>;

  constructor(tokenizer: Tokenizer, options: RerankPromptOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#special = new Map(tokenizer.specialTokens.map(({ text, token }) => [text, token]));
    // Special tokens are looked for in the template alone, never in what people wrote.
    const spellings = [...this.#special.keys()]
      .filter((text) => text !== '')
      .sort((a, b) => b.length - a.length)
      .map((text) => text.replace(/[.*+?^${}()|[\]\\/]/gu, '\\$&'));
    this.#pieces =
      spellings.length === 0
        ? [options.template]
        : options.template.split(new RegExp(`(${spellings.join('|')})`, 'u'));
  }

  /**
   * The tokens of each document with the query.
   *
   * @throws MobillmError `CONTEXT_FULL` for one that does not fit, with `truncate: 'end'` only where the
   * query leaves no room.
   */
  async encode(
    query: string,
    documents: readonly string[],
    truncate: 'error' | 'end',
    signal: AbortSignal | undefined,
  ): Promise<Token[][]> {
    const { contextTokens } = this.#options;
    const { tokens: bare } = this.#pair(query, '');
    const pairs: Token[][] = [];
    let characters = 0;
    for (const [documentIndex, document] of documents.entries()) {
      const { tokens, tailLength } = this.#pair(query, document);
      const promptTokens = tokens.length;
      if (promptTokens > contextTokens && (truncate === 'error' || bare.length >= contextTokens)) {
        throw contextFull(documentIndex, promptTokens, contextTokens);
      }
      const cut = Math.max(0, promptTokens - contextTokens);
      const end = promptTokens - tailLength;
      pairs.push([...tokens.slice(0, end - cut), ...tokens.slice(end)]);
      characters += query.length + document.length;
      if (characters < 4096) continue;
      // About a millisecond's work: others get the thread.
      characters = 0;
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
    }
    return pairs;
  }

  #pair(query: string, document: string): Pair {
    return this.#options.template === ''
      ? this.#plainPair(query, document)
      : this.#templatePair(query, document);
  }

  #plainPair(query: string, document: string): Pair {
    const { bosToken, addsBosToken } = this.#tokenizer;
    const begin = addsBosToken && bosToken !== undefined ? [bosToken] : [];
    const tail = this.#tokenizer.encode('', { addSpecial: true }).slice(begin.length);
    return {
      tokens: [
        ...begin,
        ...this.#tokenizer.encode(query),
        ...this.#options.separator,
        ...this.#tokenizer.encode(document),
        ...tail,
      ],
      tailLength: tail.length,
    };
  }

  #templatePair(query: string, document: string): Pair {
    const tokens: Token[] = [];
    let documentEnd = 0;
    this.#pieces.forEach((piece, index) => {
      const special = index % 2 === 1 ? this.#special.get(piece) : undefined;
      if (special !== undefined) tokens.push(special);
      else {
        const text = piece
          .split(/\{(query|document)\}/u)
          .map((part, k) => (k % 2 === 0 ? part : part === 'query' ? query : document))
          .join('');
        if (text !== '') tokens.push(...this.#tokenizer.encode(text));
      }
      if (piece.includes('{document}')) documentEnd = tokens.length;
    });
    return { tokens, tailLength: tokens.length - documentEnd };
  }
}

function contextFull(
  documentIndex: number,
  promptTokens: number,
  contextTokens: number,
): MobillmError {
  return new MobillmError(
    'CONTEXT_FULL',
    `Document ${documentIndex} has ${promptTokens} tokens together with the query, and the context holds ${contextTokens}. Split the document, open the model with a larger "contextTokens", or leave out its end with truncate: "end".`,
    { details: { documentIndex, promptTokens, contextTokens } },
  );
}
