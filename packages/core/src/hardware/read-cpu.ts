import type { Platform } from '../platform/platform.js';
import { classifyCores, type LogicalCpu } from './classify-cores.js';
import { featuresOf } from './cpu-features.js';
import type { CoreCluster, CpuProfile } from './hardware-profile.js';
import type { CpuInfo } from './parse-cpu-info.js';
import { parseCpuList } from './parse-cpu-list.js';

const cpuFolder = '/sys/devices/system/cpu';

/** Readings of the processor, with the names of those that failed. */
export interface CpuReading {
  /** All that does not come from a control group. */
  readonly cpu: CpuProfile;
  /** Paths into the profile. */
  readonly unknown: readonly string[];
}

/** Reads the processor of a Linux or Android system. */
export async function readCpu(
  platform: Platform,
  cpuInfo: CpuInfo | undefined,
  status: string | undefined,
): Promise<CpuReading> {
  const entries = cpuInfo?.entries ?? [];
  const onlineText = await platform.readTextFile(`${cpuFolder}/online`);
  const listed = onlineText === undefined ? undefined : parseCpuList(onlineText);
  const online = listed && listed.length > 0 ? listed : entries.map(({ cpu }) => cpu);
  const clusters = classifyCores(await readLogicalCpus(platform, online, cpuInfo));
  const cores = clusters.reduce((sum, cluster) => sum + cluster.cores, 0);
  const model = cpuInfo?.model ?? nameOf(clusters) ?? platform.cpuModel();
  const allowedCpus = parseAllowedCpus(status ?? '');
  const features = featuresOf(entries.map(({ flags }) => flags));
  return {
    cpu: {
      ...(model === undefined ? {} : { model }),
      logicalCpus: Math.max(1, online.length || platform.availableParallelism()),
      ...(cores === 0 ? {} : { cores }),
      clusters,
      ...(allowedCpus === undefined ? {} : { allowedCpus }),
      features,
    },
    unknown: [
      ...(model === undefined ? ['cpu.model'] : []),
      ...(cores === 0 ? ['cpu.cores', 'cpu.clusters'] : []),
      ...(allowedCpus === undefined ? ['cpu.allowedCpus'] : []),
      ...(entries.length === 0 ? ['cpu.features'] : []),
    ],
  };
}

/** Reads the affinity from `/proc/self/status`. */
export function parseAllowedCpus(status: string): readonly number[] | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  return list === undefined ? undefined : parseCpuList(list);
}

async function readLogicalCpus(
  platform: Platform,
  online: readonly number[],
  cpuInfo: CpuInfo | undefined,
): Promise<readonly LogicalCpu[]> {
  const listOf = async (path: string) =>
    parseCpuList((await platform.readTextFile(path)) ?? '') ?? [];
  const intelCores = await listOf('/sys/devices/cpu_core/cpus');
  const intelAtoms = await listOf('/sys/devices/cpu_atom/cpus');
  return Promise.all(
    online.map(async (cpu): Promise<LogicalCpu> => {
      const folder = `${cpuFolder}/cpu${cpu}`;
      const [siblings, capacity, maxFrequencyKhz] = await Promise.all([
        listOf(`${folder}/topology/thread_siblings_list`),
        numberIn(platform, `${folder}/cpu_capacity`),
        numberIn(platform, `${folder}/cpufreq/cpuinfo_max_freq`),
      ]);
      const entry = cpuInfo?.entries.find((candidate) => candidate.cpu === cpu);
      return {
        cpu,
        ...(siblings.length === 0 ? {} : { siblings }),
        ...(capacity === undefined ? {} : { capacity }),
        ...(maxFrequencyKhz === undefined ? {} : { maxFrequencyKhz }),
        ...(intelCores.includes(cpu) ? { intelKind: 'core' } : {}),
        ...(intelAtoms.includes(cpu) ? { intelKind: 'atom' } : {}),
        ...(entry?.implementer === undefined ? {} : { implementer: entry.implementer }),
        ...(entry?.part === undefined ? {} : { part: entry.part }),
      };
    }),
  );
}

async function numberIn(platform: Platform, path: string): Promise<number | undefined> {
  const text = (await platform.readTextFile(path))?.trim() ?? '';
  return /^\d{1,15}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}

/** Arm kernels give no marketing name: the designs of the cores say more. */
function nameOf(clusters: readonly CoreCluster[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { coreName, cores } of clusters) {
    if (coreName === undefined) return undefined;
    counts.set(coreName, (counts.get(coreName) ?? 0) + cores);
  }
  return [...counts].map(([coreName, count]) => `${count} × ${coreName}`).join(' + ') || undefined;
}
