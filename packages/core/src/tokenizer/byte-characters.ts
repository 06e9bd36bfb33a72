/**
 * The 256 bytes as byte-level vocabularies spell them (GPT-2's table): printable Latin-1 characters
 * stand for themselves, the others are moved to the characters from U+0100 on.
 */
export const byteCharacters: readonly string[] = (() => {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : 0x100 + moved++);
  });
})();

const bytes = new Map(byteCharacters.map((character, byte) => [character, byte]));

/** The bytes that a spelling of such characters stands for; `undefined` when one is another. */
export function bytesOfCharacters(spelling: string): Uint8Array | undefined {
  const result = new Uint8Array(spelling.length);
  for (let i = 0; i < spelling.length; i++) {
    const byte = bytes.get(spelling.charAt(i));
    if (byte === undefined) return undefined;
    result[i] = byte;
  }
  return result;
}

/** The spelling of a byte in a vocabulary that falls back to bytes: `<0x0A>`. */
export const fallbackSpelling = (byte: number): string =>
  `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** The byte that such a spelling names; `undefined` for any other. */
export function byteOfFallback(spelling: string): number | undefined {
  return /^<0x[0-9A-Fa-f]{2}>$/.test(spelling) ? parseInt(spelling.slice(3, 5), 16) : undefined;
}
