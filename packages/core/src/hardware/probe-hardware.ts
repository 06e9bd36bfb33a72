import { platform } from '#platform';
import * as check from '../errors/check-options.js';
import type { Platform } from '../platform/platform.js';
import { cgroupFolders } from './cgroup-folders.js';
import { readCgroupCpuQuota, readCgroupMemory } from './cgroup-limits.js';
import { measureCpuIdle } from './cpu-idle.js';
import type { HardwareProfile, MemoryProfile } from './hardware-profile.js';
import { parseCpuInfo } from './parse-cpu-info.js';
import { parseMeminfo } from './parse-meminfo.js';
import { readCpu } from './read-cpu.js';
import { parseGetprop, readSoc } from './read-soc.js';

/** Options of {@link probeHardware}. */
export interface ProbeHardwareOptions {
  /**
   * Also measures, for so many milliseconds, how much of the processor is idle (`cpu.idleShare`);
   * 20 to 10000. Not measured by default, since everything else takes a few milliseconds.
   */
  readonly idleSampleMs?: number;
  /** Stops the probe; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const checkOptions = check.optionsObject({
  idleSampleMs: check.integer({ min: 20, max: 10_000 }),
  signal: check.abortSignal,
});

/**
 * Reads what this device is and what of it is free now. Linux and Android (Termux) are read in full;
 * elsewhere the profile holds what the runtime knows and names the rest in `unknown`. Files that are
 * missing, hidden or odd never make it fail.
 */
export function probeHardware(options?: ProbeHardwareOptions): Promise<HardwareProfile> {
  const checked = checkOptions(options, '');
  return probeHardwareOn(platform, checked.idleSampleMs, checked.signal);
}

/** {@link probeHardware} on a given platform. */
export async function probeHardwareOn(
  on: Platform,
  idleSampleMs?: number,
  signal?: AbortSignal,
): Promise<HardwareProfile> {
  signal?.throwIfAborted();
  const idle = idleSampleMs === undefined ? undefined : measureCpuIdle(on, idleSampleMs, signal);
  // Awaited below; when a reading fails before, its own rejection must not be left unhandled.
  idle?.catch(() => undefined);
  const profile =
    on.os === 'linux' || on.os === 'android' ? await probeLinux(on, signal) : probeOther(on);
  signal?.throwIfAborted();
  if (idle === undefined) return profile;
  const idleShare = await idle;
  return idleShare === undefined
    ? { ...profile, unknown: [...profile.unknown, 'cpu.idleShare'] }
    : { ...profile, cpu: { ...profile.cpu, idleShare } };
}

async function probeLinux(on: Platform, signal: AbortSignal | undefined): Promise<HardwareProfile> {
  const [cpuInfoText, meminfoText, status, selfCgroup, mountinfo] = await Promise.all(
    [
      '/proc/cpuinfo',
      '/proc/meminfo',
      '/proc/self/status',
      '/proc/self/cgroup',
      '/proc/self/mountinfo',
    ].map((path) => on.readTextFile(path)),
  );
  signal?.throwIfAborted();
  const getprop = await androidGetprop(on);
  const properties = parseGetprop(
    getprop === undefined ? '' : ((await on.runCommand(getprop, [])) ?? ''),
  );
  const cpuInfo = cpuInfoText === undefined ? undefined : parseCpuInfo(cpuInfoText);
  const { cpu, unknown } = await readCpu(on, cpuInfo, status);
  signal?.throwIfAborted();

  const groups = (controller: 'memory' | 'cpu') =>
    selfCgroup === undefined ? undefined : cgroupFolders(controller, selfCgroup, mountinfo);
  const memoryGroups = groups('memory');
  const cpuGroups = groups('cpu');
  const cgroup = memoryGroups && (await readCgroupMemory(on, memoryGroups));
  const quotaCpus = cpuGroups && (await readCgroupCpuQuota(on, cpuGroups));
  const memory = memoryProfile(on, meminfoText, cgroup);
  const soc = await readSoc(on, properties, cpuInfo);
  // A PC has no chip name beside its processor's; an Arm device should.
  const socExpected = on.arch.startsWith('arm');
  return {
    os: getprop === undefined ? on.os : 'android',
    arch: on.arch,
    cpu: { ...cpu, ...(quotaCpus === undefined ? {} : { quotaCpus }) },
    memory: memory.profile,
    ...(soc === undefined ? {} : { soc }),
    unknown: [
      ...unknown,
      ...memory.unknown,
      ...(selfCgroup === undefined ? ['memory.cgroup', 'cpu.quotaCpus'] : []),
      ...(soc === undefined && socExpected ? ['soc'] : []),
    ],
  };
}

/** A Linux distribution inside Termux calls itself Linux, but Android's tools are still there. */
async function androidGetprop(on: Platform): Promise<string | undefined> {
  if (on.os === 'android') return 'getprop';
  const tools = await on.listFolder('/system/bin');
  return tools.includes('getprop') ? '/system/bin/getprop' : undefined;
}

function memoryProfile(
  on: Platform,
  meminfoText: string | undefined,
  cgroup: MemoryProfile['cgroup'],
): { profile: MemoryProfile; unknown: readonly string[] } {
  const meminfo = meminfoText === undefined ? {} : parseMeminfo(meminfoText);
  const totalBytes = meminfo.totalBytes ?? on.totalMemoryBytes();
  // Node reads MemAvailable itself where it can, so this differs only where the file is hidden.
  const availableBytes = meminfo.availableBytes ?? on.freeMemoryBytes();
  const least = Math.min(availableBytes ?? Infinity, cgroup?.availableBytes ?? Infinity);
  return {
    profile: {
      ...meminfo,
      ...(totalBytes === undefined ? {} : { totalBytes }),
      ...(availableBytes === undefined ? {} : { availableBytes }),
      ...(cgroup === undefined ? {} : { cgroup }),
      ...(least === Infinity ? {} : { effectiveAvailableBytes: least }),
    },
    unknown: [
      ...(totalBytes === undefined ? ['memory.totalBytes'] : []),
      ...(availableBytes === undefined ? ['memory.availableBytes'] : []),
      ...(meminfo.swapTotalBytes === undefined
        ? ['memory.swapTotalBytes', 'memory.swapFreeBytes']
        : []),
    ],
  };
}

function probeOther(on: Platform): HardwareProfile {
  const model = on.cpuModel();
  const totalBytes = on.totalMemoryBytes();
  // macOS counts its file cache as used, so what Node calls free there says little.
  const availableBytes = on.os === 'darwin' ? undefined : on.freeMemoryBytes();
  return {
    os: on.os,
    arch: on.arch,
    cpu: {
      ...(model === undefined ? {} : { model }),
      logicalCpus: Math.max(1, on.availableParallelism()),
      clusters: [],
      features: [],
    },
    memory: {
      ...(totalBytes === undefined ? {} : { totalBytes }),
      ...(availableBytes === undefined
        ? {}
        : { availableBytes, effectiveAvailableBytes: availableBytes }),
    },
    unknown: [
      ...(model === undefined ? ['cpu.model'] : []),
      'cpu.cores',
      'cpu.clusters',
      'cpu.features',
      ...(totalBytes === undefined ? ['memory.totalBytes'] : []),
      ...(availableBytes === undefined ? ['memory.availableBytes'] : []),
      'memory.swapTotalBytes',
      'memory.swapFreeBytes',
    ],
  };
}
