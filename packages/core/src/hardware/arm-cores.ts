/** A core design by the two numbers that an Arm core tells of itself. */
export interface ArmCore {
  /** Its name. */
  readonly coreName: string;
  /** Built small to save energy (in-order or half-speed), beside larger ones. */
  readonly little: boolean;
}

const arm = 0x41;
const qualcomm = 0x51;

/**
 * Numbers from Arm's Technical Reference Manuals (MIDR_EL1, "Part number") and, for Qualcomm, from
 * the Linux kernel's `arch/arm64/include/asm/cputype.h`.
 */
const cores: readonly (readonly [
  implementer: number,
  part: number,
  name: string,
  little: boolean,
])[] = [
  [arm, 0xc07, 'Cortex-A7', true],
  [arm, 0xd03, 'Cortex-A53', true],
  [arm, 0xd04, 'Cortex-A35', true],
  [arm, 0xd05, 'Cortex-A55', true],
  [arm, 0xd07, 'Cortex-A57', false],
  [arm, 0xd08, 'Cortex-A72', false],
  [arm, 0xd09, 'Cortex-A73', false],
  [arm, 0xd0a, 'Cortex-A75', false],
  [arm, 0xd0b, 'Cortex-A76', false],
  [arm, 0xd0c, 'Neoverse-N1', false],
  [arm, 0xd0d, 'Cortex-A77', false],
  [arm, 0xd0e, 'Cortex-A76AE', false],
  [arm, 0xd40, 'Neoverse-V1', false],
  [arm, 0xd41, 'Cortex-A78', false],
  [arm, 0xd44, 'Cortex-X1', false],
  [arm, 0xd46, 'Cortex-A510', true],
  [arm, 0xd47, 'Cortex-A710', false],
  [arm, 0xd48, 'Cortex-X2', false],
  [arm, 0xd49, 'Neoverse-N2', false],
  [arm, 0xd4b, 'Cortex-A78C', false],
  [arm, 0xd4c, 'Cortex-X1C', false],
  [arm, 0xd4d, 'Cortex-A715', false],
  [arm, 0xd4e, 'Cortex-X3', false],
  [arm, 0xd4f, 'Neoverse-V2', false],
  [arm, 0xd80, 'Cortex-A520', true],
  [arm, 0xd81, 'Cortex-A720', false],
  [arm, 0xd82, 'Cortex-X4', false],
  [arm, 0xd85, 'Cortex-X925', false],
  [arm, 0xd87, 'Cortex-A725', false],
  [qualcomm, 0x001, 'Oryon', false],
  [qualcomm, 0x800, 'Kryo 2xx Gold', false],
  [qualcomm, 0x801, 'Kryo 2xx Silver', true],
  [qualcomm, 0x802, 'Kryo 3xx Gold', false],
  [qualcomm, 0x803, 'Kryo 3xx Silver', true],
  [qualcomm, 0x804, 'Kryo 4xx Gold', false],
  [qualcomm, 0x805, 'Kryo 4xx Silver', true],
];

/** Finds a design; `undefined` for one that is not in the table. */
export function armCore(
  implementer: number | undefined,
  part: number | undefined,
): ArmCore | undefined {
  const row = cores.find((core) => core[0] === implementer && core[1] === part);
  return row && { coreName: row[2], little: row[3] };
}
