import { createHash } from 'node:crypto';
import { tinyLlamaGguf } from '@mobillm/core/testing';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../src/file-system/node.js';
import { createModelStore } from '../../src/index.js';
import { deadProcessName, faultyFileSystem, withoutLinks } from '../faulty-file-system.js';
import { fileServers } from '../servers/file-server.js';
import { temporaryFolder } from '../temporary-folder.js';

const folder = temporaryFolder();
const serve = fileServers();
const model = tinyLlamaGguf({ seed: 1 });
const sha256 = createHash('sha256').update(model).digest('hex');

const noLinks = withoutLinks(nodeFileSystem);

describe('a pull', () => {
  it.each([
    [{ errno: 'ENOSPC' }, nodeFileSystem],
    [{ errno: 'EACCES' }, nodeFileSystem],
    ['crash', nodeFileSystem],
    ['torn-crash', nodeFileSystem],
    [{ errno: 'EIO' }, noLinks],
    ['crash', noLinks],
  ] as const)(
    'is whole or not there after %j at any step, and goes on',
    async (fault, real) => {
      const server = await serve(model);
      const reference = `${server.url}#sha256=${sha256}`;
      const whole = faultyFileSystem(real, -1, 'crash');
      await using counting = createModelStore({
        directory: `${folder.path}/whole`,
        fileSystem: whole.fs,
      });
      await counting.pull(reference);
      expect(whole.calls.length).toBeGreaterThan(20);
      for (let failAt = 0; failAt < whole.calls.length; failAt++) {
        const directory = `${folder.path}/${failAt}`;
        const faulty = faultyFileSystem(real, failAt, fault, deadProcessName(nodeFileSystem));
        const store = createModelStore({ directory, fileSystem: faulty.fs });
        const result: unknown = await store.pull(reference).then(
          () => 'pulled',
          (error: unknown) => error,
        );
        await store.close();
        const what = `${failAt}: ${faulty.calls[failAt]}`;
        if (typeof fault !== 'string' && result !== 'pulled') {
          expect(result, what).toMatchObject({ code: 'IO_FAILED', details: fault });
        }
        await using again = createModelStore({ directory, fileSystem: real });
        const listed = await again.list();
        for (const { name } of listed) expect(await again.verify(name)).toMatchObject({ ok: true });
        if (result === 'pulled') expect(listed, what).toHaveLength(1);
        await again.pull(reference);
        expect(await again.verify('model'), what).toMatchObject({ ok: true });
      }
    },
    60_000,
  );
});
