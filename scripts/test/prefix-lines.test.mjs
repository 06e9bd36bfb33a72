import { describe, expect, it } from 'vitest';
import { prefixLines } from '../lib/prefix-lines.mjs';

function prefixed(...chunks) {
  let text = '';
  const lines = prefixLines('core | ', { write: (more) => (text += more) });
  for (const chunk of chunks) lines.write(chunk);
  lines.end();
  return text;
}

describe('lines of several commands', () => {
  it('stand behind the name of theirs', () => {
    expect(prefixed('one\ntwo\n')).toBe('core | one\ncore | two\n');
  });

  it('are whole ones, whatever the chunks', () => {
    expect(prefixed('o', 'ne\nt', 'wo\n')).toBe('core | one\ncore | two\n');
  });

  it('keep a character that two chunks share', () => {
    const bytes = Buffer.from('✓ passed\n');
    expect(prefixed(bytes.subarray(0, 1), bytes.subarray(1))).toBe('core | ✓ passed\n');
  });

  it('end with what no line feed ended', () => {
    expect(prefixed('one\ntwo')).toBe('core | one\ncore | two\n');
    expect(prefixed()).toBe('');
  });
});
