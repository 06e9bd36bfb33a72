import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeEngine, describeTokenizer } from '@mobillm/core/testing';
import { expect, it } from 'vitest';
import { createEchoDriver } from '../src/echo-driver.js';
import { createEchoTokenizer } from '../src/echo-tokenizer.js';

const model = fileURLToPath(import.meta.url);
const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));

describeEngine('an echo', {
  createDriver: createEchoDriver,
  files: { format: 'echo', files: [{ path: model, role: 'weights' }] },
  missingPath: '/no/such/file',
});

describeTokenizer('the tokenizer of the echo', {
  open: () => {
    let open = true;
    const close = () => Promise.resolve(void (open = false));
    return Promise.resolve({ tokenizer: createEchoTokenizer(() => open), close });
  },
});

it('answers with the last message, as a program', async () => {
  const call = promisify(execFile);
  const { stdout, stderr } = await call(process.execPath, [program, model, 'Hello! ', 'Bye. ']);
  expect(stdout).toBe('Hello! Hello! \nBye. Bye. \n');
  expect(stderr.split('\n')[1]).toMatch(/^2\d of 2\d prompt tokens were cached$/);
});
