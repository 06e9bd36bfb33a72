import { describe, expect, it } from 'vitest';
import { probeHardwareOn } from '../../src/hardware/probe-hardware.js';
import { chooseThreads } from '../../src/planner/choose-threads.js';
import { type FakeSystem, fakePlatform } from './fake-platform.js';
import * as computers from './samples/computers.js';
import * as phones from './samples/phones.js';

const isSystem = (value: unknown): value is FakeSystem =>
  typeof value === 'object' && value !== null && 'files' in value;

const isOfProcessors = (path: string) =>
  path === '/proc/cpuinfo' || path === '/proc/self/status' || path.startsWith('/sys/devices/');

/** What native code has to find in the same files, which an engine's tests compare. */
async function sampleOf(name: string, system: FakeSystem) {
  const files = Object.entries(system.files ?? {}).filter(([path]) => isOfProcessors(path));
  const { cpu } = await probeHardwareOn(
    fakePlatform({ ...system, files: Object.fromEntries(files) }),
  );
  const cpusOf = (clusters: typeof cpu.clusters) =>
    clusters.flatMap(({ cpusByCore }) => cpusByCore.flat()).sort((a, b) => a - b);
  const allowed = cpu.allowedCpus ?? cpusOf(cpu.clusters);
  const big = cpu.clusters.filter(({ coreClass }) => coreClass !== 'efficiency');
  const fast = cpusOf(big).filter((one) => allowed.includes(one));
  return {
    name,
    files: Object.fromEntries(files),
    expected: {
      allowed,
      // Confined to the small cores, a process uses those.
      fast: fast.length > 0 ? fast : cpusOf(cpu.clusters).filter((one) => allowed.includes(one)),
      fastCores: chooseThreads({ os: '', arch: '', cpu, memory: {}, unknown: [] }).threads,
      mixed: big.length < cpu.clusters.length,
    },
  };
}

describe('the processors of the sample machines', () => {
  it('are those that native code is held to', async () => {
    const systems = Object.entries({ ...computers, ...phones }).filter(
      (entry): entry is [string, FakeSystem] => isSystem(entry[1]),
    );
    const samples = await Promise.all(systems.map(([name, system]) => sampleOf(name, system)));
    // A phone in the background, on its small cores alone.
    const confined = {
      ...phones.snapdragon8Gen3.files,
      '/proc/self/status': 'Cpus_allowed_list:\t0-1\n',
    };
    samples.push(await sampleOf('background', { ...phones.snapdragon8Gen3, files: confined }));
    await expect(`${JSON.stringify(samples, undefined, 1)}\n`).toMatchFileSnapshot(
      './samples/processors.snap',
    );
  });
});
