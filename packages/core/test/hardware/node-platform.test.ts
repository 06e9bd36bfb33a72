import { cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import { platform } from '../../src/platform/node.js';
import { platform as portable } from '../../src/platform/portable.js';

describe('cpuModel', () => {
  it('is what Node says of the first CPU, unless that is nothing', () => {
    const said = cpus()[0]?.model.trim() ?? '';
    expect(platform.cpuModel()).toBe(said === '' || said === 'unknown' ? undefined : said);
  });

  it('is not known in a browser', () => {
    expect(portable.cpuModel()).toBeUndefined();
  });
});
