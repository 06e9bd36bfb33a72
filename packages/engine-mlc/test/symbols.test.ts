import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const addon = fileURLToPath(new URL('../build/Release/mobillm_mlc.node', import.meta.url));

/** Names and versions of dynamic symbols: `U napi_create_object`, `U memcpy@GLIBC_2.14`. */
const symbols = (kind: string) =>
  execFileSync('nm', ['-D', kind, addon], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).at(-1) ?? '')
    .filter(Boolean);

// `nm` and the form of its answer are those of ELF files.
describe.skipIf(process.platform !== 'linux')('the built addon', () => {
  it('asks for nothing but Node-API and the C and C++ runtimes, so nothing of TVM', () => {
    const foreign = symbols('--undefined-only').filter(
      (symbol) =>
        !/^napi_/.test(symbol) &&
        !/@(?:GLIBC|GLIBCXX|CXXABI|GCC)_[\d.]+$/.test(symbol) &&
        // Weak hooks that compilers put into every shared library.
        !/^(?:_ITM_|__gmon_start__|__cxa_finalize)/.test(symbol),
    );
    expect(foreign).toEqual([]);
    expect(symbols('--undefined-only').some((symbol) => symbol.startsWith('napi_'))).toBe(true);
  });

  it('offers nothing but its registration', () => {
    expect(symbols('--defined-only').sort()).toEqual([
      'napi_register_module_v1',
      'node_api_module_get_api_version_v1',
    ]);
  });

  it('links no library of Node, of TVM, and no OpenMP', () => {
    const needed = execFileSync('readelf', ['-d', addon], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes('(NEEDED)'))
      .map((line) => /\[(.+)\]/.exec(line)?.[1] ?? '');
    expect(
      needed.filter(
        (name) => !/^(?:libstdc\+\+|libm|libgcc_s|libc|libdl|libpthread|ld-linux.*)\.so/.test(name),
      ),
    ).toEqual([]);
  });
});
