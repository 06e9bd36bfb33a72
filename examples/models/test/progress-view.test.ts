import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { progressView } from '../src/progress-view.js';
import { parseBytes, showBytes, showSeconds } from '../src/values.js';

function recorder(isTTY: boolean, columns: number) {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY, columns }), text: () => text };
}

const at = (doneBytes: number) =>
  ({
    phase: 'downloading',
    doneBytes,
    totalBytes: 4e9,
    bytesPerSecond: 5e7,
    secondsLeft: 65,
  }) as const;

describe('progress', () => {
  it('is a bar in place on a terminal, never longer than its line', () => {
    const { stream, text } = recorder(true, 200);
    const view = progressView(stream);
    view.show(at(1e9));
    view.clear();
    expect(text()).toBe(
      '\r\u001B[K[######                  ] downloading  25 %  1.00 GB of 4.00 GB  50.0 MB/s  1:05 left\r\u001B[K',
    );
    const narrow = recorder(true, 20);
    progressView(narrow.stream).show(at(1e9));
    expect(narrow.text().replace('\r\u001B[K', '')).toHaveLength(19);
  });

  it('is a line for each tenth elsewhere', () => {
    const { stream, text } = recorder(false, 80);
    const view = progressView(stream);
    for (let done = 0; done <= 4e9; done += 1e8) view.show(at(done));
    expect(text().match(/\n/g)).toHaveLength(10);
    expect(text()).not.toContain('\u001B');
  });
});

it.each([
  ['20GB', 20e9],
  ['1.5 gib', 1.5 * 2 ** 30],
  ['0', 0],
])('the size %s is %d bytes', (text, bytes) => {
  expect(parseBytes('max-size', text)).toBe(bytes);
});

it.each(['', '-1', 'GB', '1e9', '5 apples', '0x10'])('%j is no size', (text) => {
  expect(() => parseBytes('max-size', text)).toThrow('--max-size');
});

it('sizes and times are written as people read them', () => {
  expect([999, 65_536, 1.25e6, 3e9].map(showBytes)).toEqual([
    '999 B',
    '66 kB',
    '1.3 MB',
    '3.00 GB',
  ]);
  expect([5, 65, 7200].map(showSeconds)).toEqual(['0:05', '1:05', '2:00:00']);
});
