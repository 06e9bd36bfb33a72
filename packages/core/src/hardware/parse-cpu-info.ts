/** One logical CPU of `/proc/cpuinfo`. */
export interface CpuInfoEntry {
  /** Its number. */
  readonly cpu: number;
  /** Designer of an Arm core, as a number: 0x41 is Arm, 0x51 Qualcomm. */
  readonly implementer?: number;
  /** Design of an Arm core: 0xd82 is Cortex-X4 where the designer is Arm. */
  readonly part?: number;
  /** Names of its instruction sets, as this kernel spells them. */
  readonly flags: readonly string[];
}

/** What `/proc/cpuinfo` says. */
export interface CpuInfo {
  /** Marketing name; x86 has one, most Arm kernels do not. */
  readonly model?: string;
  /** Chip, on older Arm kernels: `Qualcomm Technologies, Inc SM8650`. */
  readonly hardware?: string;
  /** Board, on the Raspberry Pi. */
  readonly board?: string;
  /** One row a logical CPU that is online. */
  readonly entries: readonly CpuInfoEntry[];
}

/** Reads `/proc/cpuinfo` of x86 and Arm kernels. Lines that it does not know are passed over. */
export function parseCpuInfo(text: string): CpuInfo {
  const shared = new Map<string, string>();
  const blocks: Map<string, string>[] = [];
  let block: Map<string, string> | undefined;
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const key = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    // "Processor" with a capital is Android's name for the whole chip, not a CPU's number.
    if (key === 'processor' && /^\d+$/.test(value)) {
      block = new Map();
      blocks.push(block);
    }
    // The last block of an Arm file runs into the lines about the machine; these keys are theirs.
    if (key === 'Hardware' || key === 'Model' || key === 'Processor') shared.set(key, value);
    else (block ?? shared).set(key, value);
  }

  // "ARMv8 Processor rev 4 (v8l)" names no processor.
  const model = blocks[0]?.get('model name')?.replace(/^.*Processor rev \d+.*$/, '');
  const hardware = shared.get('Hardware');
  const board = shared.get('Model');
  return {
    ...(model ? { model: model.replaceAll(/\s+/g, ' ') } : {}),
    ...(hardware ? { hardware } : {}),
    ...(board ? { board } : {}),
    entries: blocks.map(entryOf),
  };
}

function entryOf(block: ReadonlyMap<string, string>): CpuInfoEntry {
  const implementer = hexNumber(block.get('CPU implementer'));
  const part = hexNumber(block.get('CPU part'));
  const flags = block.get('flags') ?? block.get('Features') ?? '';
  return {
    cpu: Number(block.get('processor')),
    ...(implementer === undefined ? {} : { implementer }),
    ...(part === undefined ? {} : { part }),
    flags: flags.split(/\s+/).filter(Boolean),
  };
}

function hexNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^0x[0-9a-f]+$/i.test(text) ? Number(text) : undefined;
}
