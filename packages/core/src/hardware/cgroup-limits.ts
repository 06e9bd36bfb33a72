import type { Platform } from '../platform/platform.js';
import type { CgroupFolders } from './cgroup-folders.js';
import type { CgroupMemory } from './hardware-profile.js';

/** Version 1 writes "no limit" as the largest multiple of the page size below 2^63. */
const noLimitBytes = 2 ** 60;

/** Reads a limit in bytes: `max`, a number past every machine, and other text mean none. */
export function parseByteLimit(text: string | undefined): number | undefined {
  const digits = text?.trim() ?? '';
  if (!/^\d+$/.test(digits)) return undefined;
  const bytes = Number(digits);
  return bytes >= noLimitBytes ? undefined : bytes;
}

/** Reads one count of `memory.stat`; 0 where it is missing. */
export function parseMemoryStat(text: string | undefined, name: string): number {
  const match = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '');
  return match === null ? 0 : Number(match[1]);
}

/** Reads `cpu.max` (`200000 100000` is 2 CPUs) in CPUs; `undefined` where nothing is limited. */
export function parseCpuMax(text: string | undefined): number | undefined {
  const match = /^(\d+) (\d+)$/.exec(text?.trim() ?? '');
  return match === null ? undefined : quota(Number(match[1]), Number(match[2]));
}

/** Reads version 1's pair of `cpu.cfs_quota_us` (−1 for none) and `cpu.cfs_period_us`, in CPUs. */
export function parseCfsQuota(
  quotaText: string | undefined,
  periodText: string | undefined,
): number | undefined {
  const quotaUs = /^\d+$/.exec(quotaText?.trim() ?? '')?.[0];
  const periodUs = /^\d+$/.exec(periodText?.trim() ?? '')?.[0];
  return quotaUs === undefined || periodUs === undefined
    ? undefined
    : quota(Number(quotaUs), Number(periodUs));
}

function quota(quotaUs: number, periodUs: number): number | undefined {
  return quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : undefined;
}

/** The group with the least memory left among these; `undefined` where none has a limit. */
export async function readCgroupMemory(
  platform: Platform,
  { version, folders }: CgroupFolders,
): Promise<CgroupMemory | undefined> {
  const names =
    version === 2
      ? { limit: 'memory.max', used: 'memory.current', stat: 'inactive_file' }
      : {
          limit: 'memory.limit_in_bytes',
          used: 'memory.usage_in_bytes',
          // With its children's, as the usage is.
          stat: 'total_inactive_file',
        };
  const groups = await Promise.all(
    folders.map(async (folder): Promise<CgroupMemory | undefined> => {
      const read = (name: string) => platform.readTextFile(`${folder}/${name}`);
      const limitBytes = parseByteLimit(await read(names.limit));
      const highBytes = version === 2 ? parseByteLimit(await read('memory.high')) : undefined;
      const usedBytes = parseByteLimit(await read(names.used));
      const lowest = Math.min(limitBytes ?? Infinity, highBytes ?? Infinity);
      if (lowest === Infinity || usedBytes === undefined) return undefined;
      const reclaimableBytes = Math.min(
        parseMemoryStat(await read('memory.stat'), names.stat),
        usedBytes,
      );
      return {
        version,
        ...(limitBytes === undefined ? {} : { limitBytes }),
        ...(highBytes === undefined ? {} : { highBytes }),
        usedBytes,
        reclaimableBytes,
        availableBytes: Math.max(0, lowest - (usedBytes - reclaimableBytes)),
      };
    }),
  );
  return groups
    .filter((group) => group !== undefined)
    .reduce<CgroupMemory | undefined>(
      (least, group) => (least && least.availableBytes <= group.availableBytes ? least : group),
      undefined,
    );
}

/** Processor time granted by the tightest of these groups, in CPUs; `undefined` where none limits it. */
export async function readCgroupCpuQuota(
  platform: Platform,
  { version, folders }: CgroupFolders,
): Promise<number | undefined> {
  const quotas = await Promise.all(
    folders.map(async (folder) =>
      version === 2
        ? parseCpuMax(await platform.readTextFile(`${folder}/cpu.max`))
        : parseCfsQuota(
            await platform.readTextFile(`${folder}/cpu.cfs_quota_us`),
            await platform.readTextFile(`${folder}/cpu.cfs_period_us`),
          ),
    ),
  );
  const least = Math.min(...quotas.map((cpus) => cpus ?? Infinity));
  return least === Infinity ? undefined : least;
}
