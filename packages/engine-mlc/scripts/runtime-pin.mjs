/**
 * The TVM runtime that the engine is tested with: two Python wheels on PyPI, Apache-2.0, of which only
 * two libraries and the licences are taken. None of their Python is used, so the wheel of one Python
 * serves on every machine.
 */
const entries = {
  tvm: [
    'tvm/lib/libtvm_runtime.so',
    'tvm/LICENSE',
    'tvm/NOTICE',
    'tvm/licenses/LICENSE.builtin_fp16.txt',
  ],
  ffi: [
    'tvm_ffi/lib/libtvm_ffi.so',
    'apache_tvm_ffi-0.1.15.post2.dist-info/licenses/LICENSE',
    'apache_tvm_ffi-0.1.15.post2.dist-info/licenses/NOTICE',
    'tvm_ffi/3rdparty/libbacktrace/LICENSE',
  ],
};

const wheels = (machine, tvmSha256, ffiSha256) => [
  {
    requirement: 'apache-tvm==0.27.0.post1',
    platforms: [`manylinux_2_28_${machine}`],
    sha256: tvmSha256,
    entries: entries.tvm,
  },
  {
    requirement: 'apache-tvm-ffi==0.1.15.post2',
    platforms: [`manylinux_2_28_${machine}`],
    sha256: ffiSha256,
    entries: entries.ffi,
  },
];

/** Wheels by Node's names of system and processor. */
export const runtimePin = Object.freeze({
  'linux-x64': wheels(
    'x86_64',
    'f503fc903b6e16fda5daacac6698ecb8bc38937f57da7aa29f6c7ab169d08657',
    '8ecebe749834f6ac0f2693d5964acf9ac75d0bc26e6ba64c46eb7ab00ea50fac',
  ),
  'linux-arm64': wheels(
    'aarch64',
    '4acfdb7653e4e1ba7a707bdf2833db72eb8fda7d04d99141f2a4e1da43171fb7',
    '13efa12e3b81add67e40a2b5453203421af55827bd9cecc1fac56efd6e614282',
  ),
});
