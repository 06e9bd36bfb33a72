import { describe, expect, it } from 'vitest';
import { hermesFormat } from '../../src/chat/tools/hermes-format.js';
import { OutputPipeline } from '../../src/runtime/output-pipeline.js';
import { FakeTokenizer } from '../../src/testing/fake-tokenizer.js';
import { tools } from '../chat/tools/samples.js';

/** A vocabulary in which the marks of calls are special tokens, as in Qwen's. */
class MarkedTokenizer extends FakeTokenizer {
  override readonly specialTokens = [
    { token: 256, text: '<|im_start|>' },
    { token: 300, text: '<tool_call>' },
    { token: 301, text: '</tool_call>' },
  ];
  override tokenBytes(token: number, options: { readonly showSpecial?: boolean } = {}) {
    if (token < 256) return super.tokenBytes(token, options);
    const text = this.specialTokens.find((special) => special.token === token)?.text ?? '';
    return new TextEncoder().encode(options.showSpecial ? text : '');
  }
}

describe('the output of a model whose marks are special tokens', () => {
  const json = [...new TextEncoder().encode('{"name": "get_time", "arguments": {}}')];
  const pipeline = (calls: boolean) =>
    new OutputPipeline({
      tokenizer: new MarkedTokenizer({ requireOpen: () => undefined }),
      stops: [],
      splitReasoning: true,
      insideReasoning: false,
      dropsLeadingSpace: false,
      ...(calls && { calls: { format: hermesFormat, tools, usedIds: [] } }),
    });

  it('shows them to who looks for calls, and other special tokens to nobody', () => {
    const output = pipeline(true);
    const steps = [256, 300, ...json, 301].map((token) => output.push(token));
    const pieces = [...steps, output.end()].flatMap((step) => step.pieces);
    expect(pieces.map(({ kind }) => kind)).toEqual([
      'call-start',
      'call-delta',
      'call-delta',
      'call',
    ]);
    expect(output.rawText).toBe('<tool_call>{"name": "get_time", "arguments": {}}</tool_call>');
  });

  it('hides them where there are no tools', () => {
    const output = pipeline(false);
    const steps = [300, ...json, 301].map((token) => output.push(token));
    const text = steps.flatMap(({ pieces }) =>
      pieces.map((piece) => (piece.kind === 'answer' ? piece.text : '')),
    );
    expect(text.join('')).toBe('{"name": "get_time", "arguments": {}}');
  });
});
