import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { BoundedTemplate } from '../../src/chat/bounded-template.js';
import { ConversationEncoder } from '../../src/chat/conversation-encoder.js';
import type { Message } from '../../src/chat/message.js';
import { MobillmError } from '../../src/errors/mobillm-error.js';
import { fakeChatTemplate, fakeTokens } from '../../src/testing/index.js';
import { FakeTokenizer } from '../../src/testing/fake-tokenizer.js';
import type { EncodeOptions, Tokenizer } from '../../src/tokenizer/tokenizer.js';

const tokenizer = new FakeTokenizer({ requireOpen: () => undefined });

describe('encoding a conversation', () => {
  let encoder: ConversationEncoder;

  beforeEach(() => {
    encoder = new ConversationEncoder(tokenizer, fakeChatTemplate);
  });

  const show = (tokens: readonly number[]) => tokenizer.decode(tokens, { showSpecial: true });

  it('renders every role and opens the assistant turn', () => {
    const messages: Message[] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
      { role: 'tool', content: '21 °C' },
    ];
    expect(show(encoder.encode(messages).tokens)).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n' +
        '<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>tool\n21 °C<|im_end|>\n' +
        '<|im_start|>assistant\n',
    );
  });

  it('never lets content make a special token, and keeps it to the letter', () => {
    const nasty = fc.array(
      fc.constantFrom(
        '<|im_end|>',
        '<|im_start|>',
        '<|im_',
        'end|>',
        '\uFDD0',
        '\uFDD1',
        '0',
        'x',
        '\n',
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(nasty, (parts) => {
        const content = parts.join('');
        const { tokens } = encoder.encode([{ role: 'user', content }]);
        expect(tokens.filter((token) => token === fakeTokens.turnEnd)).toHaveLength(1);
        expect(tokens.filter((token) => token === fakeTokens.turnStart)).toHaveLength(2);
        expect(show(tokens)).toBe(
          `<|im_start|>user\n${content}<|im_end|>\n<|im_start|>assistant\n`,
        );
      }),
    );
  });

  it('keeps the tokens of a known beginning, even if they would be encoded otherwise', () => {
    const first = encoder.encode([{ role: 'user', content: 'Hi' }]);
    const answer = [72, 105, 999];
    const known = { text: `${first.text}Hi!`, tokens: [...first.tokens, ...answer] };
    const next = encoder.encode(
      [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hi!' },
        { role: 'user', content: 'Bye' },
      ],
      { known },
    );
    expect(next.tokens.slice(0, known.tokens.length)).toEqual(known.tokens);
    expect(show(next.tokens.slice(known.tokens.length))).toBe(
      '<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('notices that a template has opened the reasoning block', () => {
    const opened = new ConversationEncoder(tokenizer, `${fakeChatTemplate}<think>\n`);
    expect(opened.encode([{ role: 'user', content: 'Hi' }]).insideReasoning).toBe(true);
    expect(encoder.encode([{ role: 'user', content: 'Hi' }]).insideReasoning).toBe(false);
  });

  it('puts the beginning-of-sequence token once, whether the template writes it or not', () => {
    const withBos = Object.assign(new FakeTokenizer({ requireOpen: () => undefined }), {
      bosToken: fakeTokens.textEnd,
      addsBosToken: true,
    });
    for (const source of [fakeChatTemplate, `{{ bos_token }}${fakeChatTemplate}`]) {
      const { tokens } = new ConversationEncoder(withBos, source).encode([
        { role: 'user', content: 'Hi' },
      ]);
      expect(tokens.slice(0, 2)).toEqual([fakeTokens.textEnd, fakeTokens.turnStart]);
      expect(tokens.filter((token) => token === fakeTokens.textEnd)).toHaveLength(1);
    }
  });

  it.each([
    [
      '{{ raise_exception("roles must alternate") }}',
      /rejects these messages \(user\): .*roles must alternate/u,
    ],
    ['{% for message in messages %}', /cannot be parsed/u],
    ['{{ messages[0].content.shout() }}', /rejects these messages/u],
  ])('says TEMPLATE_FAILED for %s', (source, message) => {
    const failing = new ConversationEncoder(tokenizer, source);
    let thrown: unknown;
    try {
      failing.encode([{ role: 'user', content: 'Hi' }]);
    } catch (error) {
      thrown = error;
    }
    expect(MobillmError.is(thrown, 'TEMPLATE_FAILED')).toBe(true);
    expect((thrown as Error).message).toMatch(message);
  });

  it.each([
    '{% for x in range(1000000000) %}x{% endfor %}',
    '{% for a in range(30000) %}{% for b in range(30000) %}{% endfor %}{% endfor %}',
    '{% set r = range(30000) %}{% for a in r %}{% for b in r if b %}{% endfor %}{% endfor %}',
    `{% set list = [1] %}${'{% set list = list + list %}'.repeat(60)}`,
    `{% set text = 'ab' %}${'{% set text = text ~ text %}'.repeat(60)}`,
    `{% set text = 'abcdefgh' %}${'{% set text = text ~ text %}'.repeat(17)}{% for x in range(90000) %}{% set y = text | replace('a', 'b') %}{% endfor %}`,
    `{% set r = range(90000) %}{% for x in range(90000) %}{% set y = r | tojson %}{% endfor %}`,
    '{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}',
    'x'.repeat((1 << 20) + 1),
  ])('ends a template that computes without bounds: %#', (source) => {
    const hostile = new ConversationEncoder(tokenizer, source);
    expect(() => hostile.encode([{ role: 'user', content: 'Hi' }])).toThrow(
      expect.objectContaining({ code: 'TEMPLATE_FAILED' }),
    );
  });

  it('lets a long conversation have what it takes', () => {
    const content = 'A long document. '.repeat(2 ** 17);
    const source =
      '{% for m in messages %}{% if m.content %}{{ m.content | trim }}{% endif %}{% endfor %}';
    const messages = Array.from({ length: 20 }, () => ({ content }));
    const text = new BoundedTemplate(source).render({ messages });
    expect(text.length).toBe(20 * (content.length - 1));
  });

  it('gives templates the globals that models use', () => {
    const source =
      '{{ range(3) | join(",") }} {{ range(5, 1, -2) | join(",") }} {{ strftime_now("%d %b %Y") }} {{ none is none and True }}';
    const now = new Date();
    const day = `${String(now.getDate()).padStart(2, '0')} ${now.toLocaleString('en-US', { month: 'short' })} ${now.getFullYear()}`;
    const { text } = new ConversationEncoder(tokenizer, source).encode([
      { role: 'user', content: 'Hi' },
    ]);
    expect(text).toBe(`0,1,2 5,3 ${day} true`);
  });

  it('encodes a message of a million characters', () => {
    const content = 'word '.repeat(200_000);
    const { tokens } = encoder.encode([{ role: 'user', content }]);
    expect(tokens.length).toBeGreaterThan(content.length);
  });

  it('says UNSUPPORTED without a template', () => {
    const none = new ConversationEncoder(tokenizer, undefined);
    expect(() => none.encode([{ role: 'user', content: 'Hi' }])).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });

  it('encodes parts inside a text without the space that SentencePiece puts before a text', () => {
    const spaced = Object.assign(new FakeTokenizer({ requireOpen: () => undefined }), {
      encode(text: string, options?: { parseSpecial?: boolean }) {
        return FakeTokenizer.prototype.encode.call(
          tokenizer,
          text === '' || (options?.parseSpecial && text.startsWith('<|')) ? text : ` ${text}`,
          options,
        );
      },
    });
    const { tokens } = new ConversationEncoder(spaced, fakeChatTemplate).encode([
      { role: 'user', content: 'a<|im_end|>b' },
    ]);
    expect(show(tokens)).toBe('<|im_start|>user\na<|im_end|>b<|im_end|>\n<|im_start|>assistant\n');
  });

  it('encodes long texts on another thread, and to the same', async () => {
    const lengths: number[] = [];
    const threaded: Tokenizer = Object.assign(new FakeTokenizer({ requireOpen: () => undefined }), {
      encodeAsync: (texts: readonly string[], options?: EncodeOptions) => {
        lengths.push(...texts.map((text) => text.length));
        return Promise.resolve(texts.map((text) => tokenizer.encode(text, options)));
      },
    });
    const encoder = new ConversationEncoder(threaded, fakeChatTemplate);
    const { signal } = new AbortController();
    const long = `${'a'.repeat(2000)}<|im_end|>`;
    for (const content of ['short', long]) {
      const messages: Message[] = [{ role: 'user', content }];
      expect(await encoder.encodeAsync(messages, {}, signal)).toEqual(encoder.encode(messages));
      expect(await encoder.encodeText(content, signal)).toEqual(tokenizer.encode(content));
    }
    expect(lengths).toEqual(['<|im_start|>user\n'.length + 2000, long.length]);
  });
});
