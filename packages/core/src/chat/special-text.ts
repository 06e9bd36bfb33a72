/**
 * Keeps the spelling of special tokens in message content from becoming special tokens.
 *
 * A template mixes its own special tokens with what people wrote, and the result is encoded as one
 * text. So every spelling of a special token in content is replaced by a mark before the template
 * sees it, and after rendering the marks tell which parts are to be encoded as plain text. Content
 * without such spellings, nearly all of it, passes untouched, so that templates that look into
 * content still work.
 */
export class SpecialText {
  readonly #spellings: readonly string[];
  readonly #indexOf: ReadonlyMap<string, number>;
  readonly #pattern: RegExp;

  /** @param specialTexts spelling of every special token. */
  constructor(specialTexts: Iterable<string>) {
    // The marks' own characters are escaped like a spelling, so that nobody can write a mark.
    const spellings = new Set([markOpen, markClose]);
    for (const text of specialTexts) if (text !== '') spellings.add(text);
    this.#spellings = [...spellings];
    this.#indexOf = new Map(this.#spellings.map((text, index) => [text, index]));
    // Longest first: `<|im_end|>` must not be taken for a shorter token that it begins with.
    const alternatives = [...this.#spellings].sort((a, b) => b.length - a.length).map(escapeRegExp);
    this.#pattern = new RegExp(alternatives.join('|'), 'gu');
  }

  /** Replaces every special spelling by its mark. */
  hide(content: string): string {
    return content.replace(
      this.#pattern,
      (text) => `${markOpen}${this.#indexOf.get(text) ?? 0}${markClose}`,
    );
  }

  /** The same for every text in JSON, names of members included. */
  hideAll(json: unknown): unknown {
    if (typeof json === 'string') return this.hide(json);
    if (Array.isArray(json)) return json.map((item) => this.hideAll(item));
    if (typeof json !== 'object' || json === null) return json;
    return Object.fromEntries(
      Object.entries(json).map(([name, value]) => [this.hide(name), this.hideAll(value)]),
    );
  }

  /** Cuts a rendered text into parts that may hold special tokens and parts that are plain text. */
  parts(rendered: string): RenderedPart[] {
    const parts: RenderedPart[] = [];
    rendered.split(markPattern).forEach((piece, index) => {
      if (index % 2 === 0) {
        if (piece !== '') parts.push({ text: piece, plain: false });
      } else {
        parts.push({ text: this.#spellings[Number(piece)] ?? '', plain: true });
      }
    });
    return parts;
  }
}

/** A part of a rendered template. */
export interface RenderedPart {
  readonly text: string;
  /** Whether special tokens in it are only their spelling. */
  readonly plain: boolean;
}

// Unicode noncharacters: valid in a string, never assigned, so hardly ever in a real text.
const markOpen = '\uFDD0';
const markClose = '\uFDD1';
const markPattern = /\uFDD0(\d+)\uFDD1/u;

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/gu, '\\$&');
}
