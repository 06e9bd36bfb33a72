import { describe, expect, it } from 'vitest';
import { classifyCores, type LogicalCpu } from '../../src/hardware/classify-cores.js';

const arm = 0x41;

function classesOf(cpus: readonly LogicalCpu[]): readonly string[] {
  return classifyCores(cpus).map(
    ({ coreClass, cores, cpusByCore }) => `${cores} ${coreClass}: ${cpusByCore.join(' ')}`,
  );
}

function row(count: number, from: number, facts: Omit<LogicalCpu, 'cpu'>): readonly LogicalCpu[] {
  return Array.from({ length: count }, (_, index) => ({ cpu: from + index, ...facts }));
}

describe('classifyCores', () => {
  it('calls four equal fast cores performance, not prime (RK3588)', () => {
    expect(
      classesOf([
        ...row(4, 0, { implementer: arm, part: 0xd05, capacity: 414 }),
        ...row(2, 4, { implementer: arm, part: 0xd0b, capacity: 1024 }),
        ...row(2, 6, { implementer: arm, part: 0xd0b, capacity: 1000 }),
      ]),
    ).toEqual(['2 performance: 4 5', '2 performance: 6 7', '4 efficiency: 0 1 2 3']);
  });

  it('knows small designs whatever their clock', () => {
    expect(
      classesOf([
        ...row(2, 0, { implementer: arm, part: 0xd05, maxFrequencyKhz: 2_000_000 }),
        ...row(4, 2, { implementer: arm, part: 0xd0b, maxFrequencyKhz: 2_050_000 }),
      ]),
    ).toEqual(['4 performance: 2 3 4 5', '2 efficiency: 0 1']);
  });

  it('calls the cores of a chip that has small ones alone performance', () => {
    expect(classesOf(row(4, 0, { implementer: arm, part: 0xd03 }))).toEqual([
      '4 performance: 0 1 2 3',
    ]);
  });

  it('makes no classes of the favoured cores of x86', () => {
    expect(
      classesOf([
        { cpu: 0, siblings: [0, 2], maxFrequencyKhz: 5_000_000 },
        { cpu: 1, siblings: [1, 3], maxFrequencyKhz: 4_700_000 },
        { cpu: 2, siblings: [0, 2], maxFrequencyKhz: 5_000_000 },
        { cpu: 3, siblings: [1, 3], maxFrequencyKhz: 4_700_000 },
      ]),
    ).toEqual(['1 performance: 0,2', '1 performance: 1,3']);
  });

  it('counts no sibling that is offline', () => {
    expect(classesOf([{ cpu: 0, siblings: [0, 1] }])).toEqual(['1 performance: 0']);
  });

  it('has no clusters without CPUs', () => {
    expect(classifyCores([])).toEqual([]);
  });
});
