/** A token that is found in a text before anything else is done with it. */
export interface AddedToken {
  /** Its number. */
  readonly token: number;
  /** Its spelling; not empty. */
  readonly text: string;
  /** Whether it is found in plain text, too. */
  readonly special: boolean;
  /** Whether it takes the white space before it along. */
  readonly stripsLeft: boolean;
  /** Whether it takes the white space after it along. */
  readonly stripsRight: boolean;
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  token?: AddedToken;
}

/** Cuts texts at added tokens: the first one in the text, and the longest of those that start there. */
export class AddedTokenSplitter {
  readonly #all: TrieNode;
  readonly #plain: TrieNode;

  constructor(tokens: readonly AddedToken[]) {
    this.#all = buildTrie(tokens);
    this.#plain = buildTrie(tokens.filter(({ special }) => !special));
  }

  /** The added tokens of a text and the texts between them, none of which is empty. */
  split(text: string, parseSpecial: boolean): (AddedToken | string)[] {
    const trie = parseSpecial ? this.#all : this.#plain;
    if (trie.children.size === 0) return text === '' ? [] : [text];
    const sections: (AddedToken | string)[] = [];
    let start = 0;
    let stripped = false;
    const addText = (end: number, token: AddedToken | undefined) => {
      let section = text.slice(start, end);
      if (stripped) section = section.replace(/^[ \t-\r]+/, '');
      if (token?.stripsLeft) section = withoutTrailingSpace(section);
      if (section !== '') sections.push(section);
    };
    for (let at = 0; at < text.length;) {
      const found = longestAt(trie, text, at);
      if (found === undefined) {
        at += 1;
        continue;
      }
      addText(at, found);
      sections.push(found);
      at += found.text.length;
      start = at;
      stripped = found.stripsRight;
    }
    addText(text.length, undefined);
    return sections;
  }
}

function buildTrie(tokens: readonly AddedToken[]): TrieNode {
  const root: TrieNode = { children: new Map() };
  for (const token of tokens) {
    let node = root;
    for (let i = 0; i < token.text.length; i++) {
      const unit = token.text.charCodeAt(i);
      let child = node.children.get(unit);
      if (child === undefined) node.children.set(unit, (child = { children: new Map() }));
      node = child;
    }
    node.token ??= token;
  }
  return root;
}

function longestAt(root: TrieNode, text: string, from: number): AddedToken | undefined {
  let found: AddedToken | undefined;
  let node = root.children.get(text.charCodeAt(from));
  for (let at = from + 1; node !== undefined; at++) {
    found = node.token ?? found;
    if (at >= text.length) break;
    node = node.children.get(text.charCodeAt(at));
  }
  return found;
}

/** A loop, since a regular expression anchored at the end alone tries every place. */
function withoutTrailingSpace(text: string): string {
  let end = text.length;
  while (end > 0 && ' \t\n\v\f\r'.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}
