/** Paths of the TVM runtime's two libraries. */
export interface TvmLibraries {
  /** `libtvm_ffi.so`, `libtvm_ffi.dylib`, `tvm_ffi.dll`. */
  readonly ffi: string;
  /** `libtvm_runtime.so`, `libtvm_runtime.dylib`, `tvm_runtime.dll`. */
  readonly runtime: string;
}

/** What the libraries' files are called on a platform. */
export function libraryNames(os: string): TvmLibraries {
  switch (os) {
    case 'win32':
      return { ffi: 'tvm_ffi.dll', runtime: 'tvm_runtime.dll' };
    case 'darwin':
      return { ffi: 'libtvm_ffi.dylib', runtime: 'libtvm_runtime.dylib' };
    default:
      return { ffi: 'libtvm_ffi.so', runtime: 'libtvm_runtime.so' };
  }
}

/** How to get the libraries, as sentences. */
export const howToGetLibraries =
  'Run "node node_modules/@mobillm/engine-mlc/scripts/fetch-runtime.mjs", which downloads them once, or install the Python packages apache-tvm 0.27.0.post1 and apache-tvm-ffi 0.1.15.post2.';
