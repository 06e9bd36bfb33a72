import { describe, expect, it } from 'vitest';

/**
 * What a built addon may ask of the process that loads it, and what it may offer: two engines live in
 * one process, and one file serves every Node from 20 on, Electron and Hermes. Reads the file by `nm`
 * and `readelf`; on other systems than Linux the tests are skipped.
 *
 * @param addon path of the addon's file
 */
export function describeAddonSymbols(name: string, addon: string): void {
  const run = async (program: string, args: readonly string[]): Promise<string[]> => {
    const { execFileSync } = await import('node:child_process');
    return execFileSync(program, [...args, addon], { encoding: 'utf8' }).split('\n');
  };
  /** Names and versions of dynamic symbols: `napi_create_object`, `memcpy@GLIBC_2.14`. */
  const symbols = async (kind: string): Promise<string[]> =>
    (await run('nm', ['-D', kind]))
      .map((line) => line.trim().split(/\s+/).at(-1) ?? '')
      .filter((symbol) => symbol !== '');

  // `nm` and the form of its answer are those of ELF files.
  describe.skipIf(process.platform !== 'linux')(`${name}, the built addon`, () => {
    it('asks for nothing but Node-API and the C and C++ runtimes', async () => {
      const undefinedSymbols = await symbols('--undefined-only');
      const foreign = undefinedSymbols.filter(
        (symbol) =>
          !symbol.startsWith('napi_') &&
          !/@(?:GLIBC|GLIBCXX|CXXABI|GCC)_[\d.]+$/.test(symbol) &&
          // Weak hooks that compilers put into every shared library.
          !/^(?:_ITM_|__gmon_start__|__cxa_finalize)/.test(symbol),
      );
      expect(foreign).toEqual([]);
      expect(undefinedSymbols.some((symbol) => symbol.startsWith('napi_'))).toBe(true);
    });

    it('offers nothing but its registration', async () => {
      expect((await symbols('--defined-only')).sort()).toEqual([
        'napi_register_module_v1',
        'node_api_module_get_api_version_v1',
      ]);
    });

    it('links no library but those of the C and C++ runtimes', async () => {
      const needed = (await run('readelf', ['-d']))
        .filter((line) => line.includes('(NEEDED)'))
        .map((line) => /\[(.+)\]/.exec(line)?.[1] ?? '');
      expect(
        needed.filter(
          (library) =>
            !/^(?:libstdc\+\+|libm|libgcc_s|libc|libdl|libpthread|ld-linux.*)\.so/.test(library),
        ),
      ).toEqual([]);
    });
  });
}
