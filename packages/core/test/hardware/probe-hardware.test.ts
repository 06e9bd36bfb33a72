import { describe, expect, it } from 'vitest';
import { probeHardware, probeHardwareOn } from '../../src/hardware/probe-hardware.js';
import { fakePlatform } from './fake-platform.js';
import {
  dockerCgroupV1,
  dockerCgroupV2,
  intelHybridLaptop,
  raspberryPi5,
  virtualMachine,
} from './samples/computers.js';
import { dimensity9300, snapdragon8EliteProot, snapdragon8Gen3 } from './samples/phones.js';

const kib = 1024;

describe('probeHardwareOn', () => {
  it('reads a Snapdragon 8 Gen 3 under Termux in full', async () => {
    expect(await probeHardwareOn(fakePlatform(snapdragon8Gen3))).toEqual({
      os: 'android',
      arch: 'arm64',
      cpu: {
        model: '1 × Cortex-X4 + 5 × Cortex-A720 + 2 × Cortex-A520',
        logicalCpus: 8,
        cores: 8,
        clusters: [
          {
            coreClass: 'prime',
            cores: 1,
            cpusByCore: [[7]],
            coreName: 'Cortex-X4',
            maxFrequencyKhz: 3_302_400,
            capacity: 1024,
          },
          {
            coreClass: 'performance',
            cores: 3,
            cpusByCore: [[2], [3], [4]],
            coreName: 'Cortex-A720',
            maxFrequencyKhz: 3_148_800,
            capacity: 923,
          },
          {
            coreClass: 'performance',
            cores: 2,
            cpusByCore: [[5], [6]],
            coreName: 'Cortex-A720',
            maxFrequencyKhz: 2_956_800,
            capacity: 867,
          },
          {
            coreClass: 'efficiency',
            cores: 2,
            cpusByCore: [[0], [1]],
            coreName: 'Cortex-A520',
            maxFrequencyKhz: 2_265_600,
            capacity: 379,
          },
        ],
        allowedCpus: [0, 1, 2, 3, 4, 5, 6],
        features: ['neon', 'fp16', 'bf16', 'dotprod', 'i8mm'],
      },
      memory: {
        totalBytes: 15_567_892 * kib,
        availableBytes: 7_340_032 * kib,
        swapTotalBytes: 12_582_908 * kib,
        swapFreeBytes: 9_437_184 * kib,
        effectiveAvailableBytes: 7_340_032 * kib,
      },
      soc: {
        vendor: 'QTI',
        model: 'SM8650',
        platform: 'pineapple',
        board: 'Xiaomi 23116PN5BC',
      },
      unknown: [],
    });
  });

  it('knows Android under a Linux distribution, and prime cores of the same design by their clock', async () => {
    const profile = await probeHardwareOn(fakePlatform(snapdragon8EliteProot));
    expect(profile.os).toBe('android');
    expect(profile.cpu.model).toBe('8 × Oryon');
    expect(
      profile.cpu.clusters.map(({ coreClass, cpusByCore }) => [coreClass, cpusByCore.flat()]),
    ).toEqual([
      ['prime', [6, 7]],
      ['performance', [0, 1, 2, 3, 4, 5]],
    ]);
    expect(profile.soc).toEqual({
      vendor: 'QTI',
      model: 'SM8750',
      platform: 'sun',
      socId: '618',
    });
    expect(profile.unknown).toEqual([]);
  });

  it('tells the classes of a Dimensity 9300 by clocks alone, and names what is hidden', async () => {
    const profile = await probeHardwareOn(fakePlatform(dimensity9300));
    expect(
      profile.cpu.clusters.map(({ coreClass, cores, cpusByCore }) => [
        coreClass,
        cores,
        cpusByCore.flat(),
      ]),
    ).toEqual([
      ['prime', 1, [7]],
      ['performance', 3, [4, 5, 6]],
      ['efficiency', 4, [0, 1, 2, 3]],
    ]);
    expect(profile.cpu.allowedCpus).toBeUndefined();
    expect(profile.soc?.model).toBe('MT6989');
    expect(profile.unknown).toEqual(['cpu.allowedCpus']);
  });

  it('names a Raspberry Pi 5 by its device tree, not by what its cpuinfo claims', async () => {
    const profile = await probeHardwareOn(fakePlatform(raspberryPi5));
    expect(profile.cpu).toEqual({
      model: '4 × Cortex-A76',
      logicalCpus: 4,
      cores: 4,
      clusters: [
        {
          coreClass: 'performance',
          cores: 4,
          cpusByCore: [[0], [1], [2], [3]],
          coreName: 'Cortex-A76',
          maxFrequencyKhz: 2_400_000,
          capacity: 1024,
        },
      ],
      allowedCpus: [0, 1, 2, 3],
      features: ['neon', 'fp16', 'dotprod'],
    });
    expect(profile.soc).toEqual({
      vendor: 'brcm',
      model: 'bcm2712',
      board: 'Raspberry Pi 5 Model B Rev 1.0',
      compatible: ['raspberrypi,5-model-b', 'brcm,bcm2712'],
    });
    expect(profile.unknown).toEqual([]);
  });

  it('counts P and E cores of an Intel laptop, two threads of a P core as one', async () => {
    const profile = await probeHardwareOn(fakePlatform(intelHybridLaptop));
    expect(profile.cpu).toEqual({
      model: '12th Gen Intel(R) Core(TM) i5-1240P',
      logicalCpus: 16,
      cores: 12,
      clusters: [
        {
          coreClass: 'performance',
          cores: 4,
          cpusByCore: [
            [0, 1],
            [2, 3],
            [4, 5],
            [6, 7],
          ],
          maxFrequencyKhz: 4_400_000,
        },
        {
          coreClass: 'efficiency',
          cores: 8,
          cpusByCore: [[8], [9], [10], [11], [12], [13], [14], [15]],
          maxFrequencyKhz: 3_300_000,
        },
      ],
      allowedCpus: Array.from({ length: 16 }, (_, cpu) => cpu),
      features: ['avx', 'avx2', 'fma', 'f16c', 'avx-vnni'],
    });
    expect(profile.soc).toBeUndefined();
    expect(profile.unknown).toEqual([]);
  });

  it('takes the limits of a container, cgroup v2', async () => {
    const profile = await probeHardwareOn(fakePlatform(dockerCgroupV2));
    expect(profile.cpu.model).toBe('AMD EPYC 9B14 96-Core Processor');
    expect(profile.cpu.cores).toBe(2);
    expect(profile.cpu.allowedCpus).toEqual([0, 1]);
    expect(profile.cpu.quotaCpus).toBe(1.5);
    expect(profile.memory).toEqual({
      totalBytes: 24_684_084 * kib,
      availableBytes: 24_324_888 * kib,
      swapTotalBytes: 0,
      swapFreeBytes: 0,
      cgroup: {
        version: 2,
        limitBytes: 2_147_483_648,
        usedBytes: 734_003_200,
        reclaimableBytes: 209_715_200,
        availableBytes: 1_623_195_648,
      },
      effectiveAvailableBytes: 1_623_195_648,
    });
  });

  it('takes the limits of a container, cgroup v1 with the paths of its host', async () => {
    const profile = await probeHardwareOn(fakePlatform(dockerCgroupV1));
    expect(profile.cpu.quotaCpus).toBe(0.5);
    expect(profile.memory.cgroup).toEqual({
      version: 1,
      limitBytes: 1_073_741_824,
      usedBytes: 419_430_400,
      reclaimableBytes: 104_857_600,
      availableBytes: 759_169_024,
    });
    expect(profile.memory.effectiveAvailableBytes).toBe(759_169_024);
  });

  it('sees that groups without a limit limit nothing', async () => {
    const profile = await probeHardwareOn(fakePlatform(virtualMachine));
    expect(profile.cpu.quotaCpus).toBeUndefined();
    expect(profile.memory.cgroup).toBeUndefined();
    expect(profile.memory.effectiveAvailableBytes).toBe(24_324_888 * kib);
    expect(profile.unknown).toEqual([]);
  });

  it('names every reading of a Linux that hides all its files, and takes what the runtime knows', async () => {
    const platform = fakePlatform({
      availableParallelism: 6,
      totalMemoryBytes: 4_000_000_000,
      freeMemoryBytes: 1_000_000_000,
    });
    expect(await probeHardwareOn(platform)).toEqual({
      os: 'linux',
      arch: 'arm64',
      cpu: { logicalCpus: 6, clusters: [], features: [] },
      memory: {
        totalBytes: 4_000_000_000,
        availableBytes: 1_000_000_000,
        effectiveAvailableBytes: 1_000_000_000,
      },
      unknown: [
        'cpu.model',
        'cpu.cores',
        'cpu.clusters',
        'cpu.allowedCpus',
        'cpu.features',
        'memory.swapTotalBytes',
        'memory.swapFreeBytes',
        'memory.cgroup',
        'cpu.quotaCpus',
        'soc',
      ],
    });
  });

  it.each(['', '\0\0', 'processor\t:\nfoo', ': : :', '99999999999999999999', '{}'])(
    'never fails on files that hold %j',
    async (text) => {
      const files = Object.fromEntries(
        [
          ...Object.keys(snapdragon8Gen3.files ?? {}),
          ...Object.keys(dockerCgroupV1.files ?? {}),
        ].map((path) => [path, text]),
      );
      const profile = await probeHardwareOn(
        fakePlatform({ files, availableParallelism: 2, commands: { getprop: text } }),
      );
      expect(profile.cpu.logicalCpus).toBe(2);
      expect(profile.memory.effectiveAvailableBytes).toBeUndefined();
      expect(profile.unknown).toContain('memory.availableBytes');
    },
  );

  it('does not take what macOS calls free for what is available', async () => {
    const platform = fakePlatform({
      os: 'darwin',
      cpuModel: 'Apple M4',
      availableParallelism: 10,
      totalMemoryBytes: 17_179_869_184,
      freeMemoryBytes: 104_857_600,
    });
    expect(await probeHardwareOn(platform)).toEqual({
      os: 'darwin',
      arch: 'arm64',
      cpu: { model: 'Apple M4', logicalCpus: 10, clusters: [], features: [] },
      memory: { totalBytes: 17_179_869_184 },
      unknown: [
        'cpu.cores',
        'cpu.clusters',
        'cpu.features',
        'memory.availableBytes',
        'memory.swapTotalBytes',
        'memory.swapFreeBytes',
      ],
    });
  });

  it('names what a browser keeps to itself', async () => {
    const profile = await probeHardwareOn(
      fakePlatform({ os: 'browser', arch: '', availableParallelism: 8 }),
    );
    expect(profile.memory).toEqual({});
    expect(profile.cpu.logicalCpus).toBe(8);
    expect(profile.unknown).toContain('memory.totalBytes');
  });

  it('survives JSON', async () => {
    const profile = await probeHardwareOn(fakePlatform(dockerCgroupV2));
    expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
  });
});

describe('probeHardware', () => {
  it('reads this machine', async () => {
    const profile = await probeHardware();
    expect(profile.os).toBe(process.platform);
    expect(profile.arch).toBe(process.arch);
    expect(profile.memory.totalBytes).toBeGreaterThan(0);
    expect(profile.cpu.idleShare).toBeUndefined();
  });

  it('rejects with the reason of an aborted signal', async () => {
    const reason = new Error('no longer needed');
    await expect(probeHardware({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('refuses an option that it does not know, by name', () => {
    expect(() => probeHardware({ idelSampleMs: 5 } as object)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', key: 'idelSampleMs' }) as Error,
    );
  });
});
