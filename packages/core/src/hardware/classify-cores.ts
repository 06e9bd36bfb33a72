import { armCore } from './arm-cores.js';
import type { CoreClass, CoreCluster } from './hardware-profile.js';

/** What was read of one logical CPU. */
export interface LogicalCpu {
  /** Its number. */
  readonly cpu: number;
  /** Logical CPUs on the same physical core, itself included. */
  readonly siblings?: readonly number[];
  /** The kernel's rating, 1024 for the fastest core (`cpu_capacity`). */
  readonly capacity?: number;
  /** Highest clock in kHz (`cpufreq/cpuinfo_max_freq`). */
  readonly maxFrequencyKhz?: number;
  /** Kind of an Intel hybrid's core: `cpu_core` are P cores, `cpu_atom` E cores. */
  readonly intelKind?: 'core' | 'atom';
  /** Designer of an Arm core. */
  readonly implementer?: number;
  /** Design of an Arm core. */
  readonly part?: number;
}

/**
 * Below these shares of the fastest core's speed a core counts as an efficiency core. The kernel's
 * rating includes work per clock; clocks alone flatter small cores, hence the stricter share.
 */
const efficiencyShare = { capacity: 0.6, frequency: 0.7 } as const;

/** Speeds closer than this are one level: favoured cores of one kind differ by a few per cent. */
const sameLevelShare = 0.92;

/** More cores than this at the top are simply the fast cores. */
const maxPrimeCores = 2;

interface Core {
  readonly lead: LogicalCpu;
  readonly cpus: readonly number[];
}

/**
 * Sorts logical CPUs into clusters of like cores, fastest first. The signs, strongest first: Intel's
 * own kinds, Arm designs that are always the small ones, the kernel's capacity, the highest clock.
 */
export function classifyCores(logical: readonly LogicalCpu[]): readonly CoreCluster[] {
  const cores = physicalCores(logical);
  const { speeds, share } = speedsOf(cores);
  const fastest = Math.max(...speeds);
  const little = cores.map(
    ({ lead }, index) =>
      lead.intelKind === 'atom' ||
      armCore(lead.implementer, lead.part)?.little === true ||
      (speeds[index] ?? fastest) < share * fastest,
  );
  // A chip of small cores alone (many boards) has no faster ones to compare with.
  const uniform = little.every(Boolean);

  // Prime cores are a phone's; the favoured cores of x86 have no more units than the others.
  const big = speeds.filter((_, index) => !little[index]);
  const top = cores.filter((_, index) => !little[index] && isTop(speeds[index] ?? 0, fastest));
  const hasPrime =
    cores.every(({ lead }) => lead.part !== undefined) &&
    top.length <= maxPrimeCores &&
    top.length < big.length;

  const clusters = new Map<string, { cluster: CoreCluster; speed: number; first: number }>();
  cores.forEach((core, index) => {
    const speed = speeds[index] ?? 0;
    const coreClass: CoreClass =
      little[index] && !uniform
        ? 'efficiency'
        : hasPrime && isTop(speed, fastest)
          ? 'prime'
          : 'performance';
    const { lead } = core;
    const key = [
      coreClass,
      lead.implementer,
      lead.part,
      lead.capacity,
      lead.maxFrequencyKhz,
    ].join();
    const known = clusters.get(key)?.cluster;
    const coreName = armCore(lead.implementer, lead.part)?.coreName;
    clusters.set(key, {
      speed,
      first: clusters.get(key)?.first ?? lead.cpu,
      cluster: {
        coreClass,
        cores: (known?.cores ?? 0) + 1,
        cpusByCore: [...(known?.cpusByCore ?? []), core.cpus],
        ...(coreName === undefined ? {} : { coreName }),
        ...(lead.maxFrequencyKhz === undefined ? {} : { maxFrequencyKhz: lead.maxFrequencyKhz }),
        ...(lead.capacity === undefined ? {} : { capacity: lead.capacity }),
      },
    });
  });

  const order: readonly CoreClass[] = ['prime', 'performance', 'efficiency'];
  return [...clusters.values()]
    .sort(
      (a, b) =>
        order.indexOf(a.cluster.coreClass) - order.indexOf(b.cluster.coreClass) ||
        b.speed - a.speed ||
        a.first - b.first,
    )
    .map(({ cluster }) => cluster);
}

function isTop(speed: number, fastest: number): boolean {
  return speed >= sameLevelShare * fastest;
}

function physicalCores(logical: readonly LogicalCpu[]): readonly Core[] {
  const seen = new Set<number>();
  const online = new Set(logical.map(({ cpu }) => cpu));
  const cores: Core[] = [];
  for (const lead of [...logical].sort((a, b) => a.cpu - b.cpu)) {
    if (seen.has(lead.cpu)) continue;
    const cpus = [...new Set([lead.cpu, ...(lead.siblings ?? [])])].filter((cpu) =>
      online.has(cpu),
    );
    for (const cpu of cpus) seen.add(cpu);
    cores.push({ lead, cpus });
  }
  return cores;
}

/** One comparable speed a core: capacities where they tell cores apart, else clocks, else all alike. */
function speedsOf(cores: readonly Core[]): { speeds: readonly number[]; share: number } {
  const capacities = definedOf(cores.map(({ lead }) => lead.capacity));
  if (capacities.length === cores.length && new Set(capacities).size > 1) {
    return { speeds: capacities, share: efficiencyShare.capacity };
  }
  const frequencies = definedOf(cores.map(({ lead }) => lead.maxFrequencyKhz));
  if (frequencies.length === cores.length) {
    return { speeds: frequencies, share: efficiencyShare.frequency };
  }
  return { speeds: cores.map(() => 1), share: 0 };
}

function definedOf(values: readonly (number | undefined)[]): readonly number[] {
  return values.filter((value) => value !== undefined);
}
