import { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptedReply, writeTinyLlamaGguf } from '@mobillm/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChat } from './run-chat.js';

let folder: string;
let modelPath: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobillm-chat-'));
  modelPath = join(folder, 'tiny.gguf');
  await writeTinyLlamaGguf(modelPath);
});
afterAll(() => rm(folder, { recursive: true }));

const engine = { reply: scriptedReply('Because of Rayleigh.') };

describe('a message on the command line', () => {
  it('is answered on standard output, and what is known of the answer goes elsewhere', async () => {
    const { status, output, log } = await runChat(['--model', modelPath, '--seed', '7', 'Why?'], {
      folder,
      engine,
      piped: '',
    });
    expect({ status, output }).toEqual({ status: 0, output: 'Because of Rayleigh.\n' });
    expect(log).toMatch(/^21 tokens, .*seed 7$/m);
  });

  it('is read from standard input when there is none', async () => {
    const { status, output } = await runChat(['--model', modelPath], {
      folder,
      engine,
      piped: 'Why?\n',
    });
    expect({ status, output }).toEqual({ status: 0, output: 'Because of Rayleigh.\n' });
  });

  it('is asked for when standard input is empty, too', async () => {
    const { status, log } = await runChat(['--model', modelPath], { folder, engine, piped: '' });
    expect({ status, log }).toEqual({
      status: 2,
      log: 'there is no message: give one as an argument\n"chat --help" shows how it is called.\n',
    });
  });

  it('gives events as JSON lines that end with the result', async () => {
    const { status, output, log } = await runChat(
      ['--model', modelPath, '--json', '--max-tokens', '7', 'Why?'],
      { folder, engine, piped: '' },
    );
    const events = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const types = [...new Set(events.map(({ type }) => type))].filter(
      (type) => type !== 'progress',
    );
    expect(types).toEqual(['plan', 'opened', 'prefill', 'text', 'finish']);
    const texts = events.filter(({ type }) => type === 'text').map(({ text }) => text);
    expect(texts.join('')).toBe('Because');
    expect(events.at(-1)).toMatchObject({
      type: 'finish',
      result: { text: 'Because', stopReason: 'max-tokens', usage: { completionTokens: 7 } },
    });
    expect({ status, log }).toEqual({ status: 0, log: '' });
  });
});

describe('the chat', () => {
  /** Types each of `lines` as soon as the prompt appears once more. */
  const typing = (lines: readonly string[]) => {
    let typed = 0;
    return (all: string, type: (keys: string) => void) => {
      if (typed < lines.length && all.split('> ').length > typed + 1) type(lines[typed++]!);
    };
  };

  it('answers until /exit and knows its commands', async () => {
    const { status, output, log } = await runChat(['--model', modelPath], {
      folder,
      engine,
      onOutput: typing(['/help\r', 'Why?\r', '/reset\r', '/exit\r']),
    });
    expect(status).toBe(0);
    expect(output).toContain('/reset forget the conversation');
    expect(output.split('Because of Rayleigh.\n')).toHaveLength(2);
    expect(log).toContain('21 tokens');
  });

  it('leaves at the end of its input', async () => {
    const { status } = await runChat(['--model', modelPath], {
      folder,
      engine,
      onOutput: typing(['\x04']),
    });
    expect(status).toBe(0);
  });

  it('stops an answer at Ctrl-C, and leaves at two of them', async () => {
    // What has to be on the screen before each key is pressed.
    const keys = [
      { after: /> $/, type: 'go on for ever\r' },
      { after: /[a-z]{20}$/, type: '\x03' },
      { after: /[a-z]{20,}\n.*> .*$/, type: '\x03' },
      { after: /Ctrl-C again/, type: '\x03' },
    ];
    const { status, log } = await runChat(['--model', modelPath], {
      folder,
      onOutput: (all, type) => {
        if (keys[0]?.after.test(all) === true) type(keys.shift()!.type);
      },
    });
    expect({ status, keys }).toEqual({ status: 0, keys: [] });
    expect(log).toMatch(/^stopped after \d+ tokens$/m);
  });
});

describe('Ctrl-C outside the chat', () => {
  it('stops the answer, keeps what has come, and gives status 130', async () => {
    const signals = new EventEmitter();
    const { status, output, log } = await runChat(['--model', modelPath, 'go on'], {
      folder,
      piped: '',
      onOutput: (all) => {
        if (/[a-z]{20}$/.test(all)) signals.emit('SIGINT');
      },
      environment: { signals },
    });
    expect(status).toBe(130);
    expect(output).toMatch(/^[a-z]{20,}\n$/);
    expect(log).toMatch(/^stopped after \d+ tokens$/m);
    expect(signals.listenerCount('SIGINT')).toBe(0);
  });

  it('stops what goes before the answer, too', async () => {
    const signals = new EventEmitter();
    const { status, output } = await runChat(['hi'], {
      folder,
      piped: '',
      environment: {
        signals,
        defaultModel: {
          name: 'slow',
          fetch: (signal) => {
            const stopped = new Promise<never>((_resolve, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error));
            });
            signals.emit('SIGINT');
            return stopped;
          },
        },
      },
    });
    expect({ status, output }).toEqual({ status: 130, output: '' });
  });
});

describe('a failure', () => {
  it('of a model that the store does not have names the code', async () => {
    const { status, log } = await runChat(['--model', 'nothing', 'hi'], { folder, piped: '' });
    expect(status).toBe(1);
    expect(log).toMatch(/\(MODEL_NOT_FOUND\)\n$/);
  });

  it('of a file that is no model is told as one sentence', async () => {
    const path = join(folder, 'page.gguf');
    await writeFile(path, '<html>404</html>');
    const { status, log } = await runChat(['--model', path, 'hi'], { folder, piped: '' });
    expect(status).toBe(1);
    expect(log).toMatch(/\(MODEL_INVALID\)\n$/);
    expect(log.trimEnd().split('\n')).toHaveLength(1);
  });

  it('of a default model that cannot be fetched is handed on', async () => {
    const { status, log } = await runChat(['hi'], {
      folder,
      piped: '',
      environment: {
        defaultModel: { name: 'default', fetch: () => Promise.reject(new Error('no network')) },
      },
    });
    expect({ status, log }).toEqual({ status: 1, log: 'no network\n' });
  });
});

describe('the default model', () => {
  it('is fetched once, and again when its file has gone', async () => {
    let fetched = 0;
    const path = join(folder, 'default.gguf');
    const defaultModel = {
      name: 'default-model',
      fetch: async () => {
        fetched += 1;
        await writeTinyLlamaGguf(path);
        return path;
      },
    };
    const run = () => runChat(['hi'], { folder, engine, piped: '', environment: { defaultModel } });
    expect((await run()).status).toBe(0);
    expect((await run()).status).toBe(0);
    expect(fetched).toBe(1);
    await rm(path);
    expect((await run()).status).toBe(0);
    expect(fetched).toBe(2);
  });
});
