/**
 * Writes lines of several sources to one stream, each behind the name of its source: whole lines,
 * so that none is cut by another's.
 *
 * @param {string} prefix
 * @param {{ write(text: string): unknown }} target
 * @returns {{ write(chunk: Buffer | string): void, end(): void }} `end` writes what the last line
 * holds, when no line feed ended it.
 */
export function prefixLines(prefix, target) {
  const decoder = new TextDecoder();
  let rest = '';
  const put = (lines) => {
    if (lines.length > 0) target.write(lines.map((line) => `${prefix}${line}\n`).join(''));
  };
  return {
    write(chunk) {
      const lines = (
        rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))
      ).split('\n');
      rest = lines.pop() ?? '';
      put(lines);
    },
    end() {
      rest += decoder.decode();
      if (rest !== '') put([rest]);
      rest = '';
    },
  };
}
