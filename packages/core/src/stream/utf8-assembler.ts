/**
 * Turns token bytes into text, keeping back a character whose bytes are spread over several tokens
 * until it is whole. Bytes that can never become a character turn into U+FFFD.
 */
export class Utf8Assembler {
  // ignoreBOM: a byte-order mark that a model writes is text like any other.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** Takes the next bytes and returns the characters that are whole now; maybe none. */
  push(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** Ends the text; a character that stayed incomplete becomes U+FFFD. */
  end(): string {
    return this.#decoder.decode();
  }
}
