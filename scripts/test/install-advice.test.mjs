import { describe, expect, it } from 'vitest';
import { installAdvice } from '../lib/install-advice.mjs';

const system = { manager: 'apt', isRoot: true, hasPython: true, externallyManaged: false };

describe('installAdvice', () => {
  it('names the one command that root needs', () => {
    expect(installAdvice(['cmake', 'ninja', 'cxx'], system)).toBe(
      'cmake, ninja and a C++ compiler are missing: install them with "apt-get install -y cmake ninja-build g++", then run the command again.',
    );
  });

  it('offers a user the way with sudo and the way without root', () => {
    expect(installAdvice(['cmake', 'cxx'], { ...system, isRoot: false })).toBe(
      'cmake and a C++ compiler are missing: install them with "sudo apt-get install -y cmake g++", or without root "python3 -m pip install --user cmake" and "conda install -c conda-forge cxx-compiler", then run the command again.',
    );
  });

  it('tells pip twice where the system owns python', () => {
    expect(
      installAdvice(['ninja'], { ...system, isRoot: false, externallyManaged: true }),
    ).toContain('"python3 -m pip install --user --break-system-packages ninja"');
  });

  it('takes everything from conda where there is no python to begin with', () => {
    expect(
      installAdvice(['pip', 'cmake'], { ...system, manager: undefined, hasPython: false }),
    ).toBe(
      'pip for python3 and cmake are missing: install them with "conda install -c conda-forge pip cmake", then run the command again.',
    );
  });

  it('needs neither root nor sudo under Termux', () => {
    expect(installAdvice(['cxx'], { ...system, manager: 'termux', isRoot: false })).toBe(
      'a C++ compiler is missing: install it with "pkg install -y clang", then run the command again.',
    );
  });

  it('names a package once that provides two tools', () => {
    expect(
      installAdvice(['python', 'pip'], { ...system, manager: 'brew', hasPython: false }),
    ).toContain('"brew install python"');
  });
});
