/**
 * The wheel that carries Qualcomm's libraries for x86-64 Linux (QAIRT 2.51.0), and what of it the tests
 * need. The layout is kept, since the libraries find each other by paths relative to their own.
 */
export const emulatorPin = {
  requirement: 'onnxruntime-qnn==2.7.0',
  /** Oldest C library that the wheel's tag names. */
  glibc: '2.35',
  /** The wheel of one Python is taken on every machine: none of its Python is used. */
  tags: {
    platform: 'manylinux_2_35_x86_64',
    'python-version': '3.11',
    implementation: 'cp',
    abi: 'cp311',
  },
  wheelBytes: 98_578_793,
  wheelSha256: 'c56c01562b8534fe8980cfea4601408d950c065f8251fb862ce82101c52c9849',
  /** What the library itself calls its build, asserted by the tests. */
  buildId: 'v2.51.0.260929181845',
  /** Files of the wheel that are kept. Those with a sum are loaded, and compared before each run. */
  entries: [
    {
      name: 'onnxruntime_qnn/libQnnHtp.so',
      fileBytes: 106_290_201,
      sha256: '66fbcc1a97b3ca186c0170123e03978f2351222d59b2e9ceb0202e4a9b0116c0',
    },
    {
      name: 'onnxruntime_qnn/libHtpPrepare.so',
      fileBytes: 106_290_193,
      sha256: '240b3db00f71efdce5f5ad3a69a0cc9ae2e375d6d51408d595b292a2ef560568',
    },
    {
      name: 'onnxruntime_qnn/libQnnSystem.so',
      fileBytes: 5_385_113,
      sha256: 'a5441fe0307cfb10478d18f6de16053f3b111eaa01ff3975a54b10afdfa33a38',
    },
    { name: 'onnxruntime_qnn/libQnnSaver.so', fileBytes: 474_385 },
    { name: 'onnxruntime_qnn/LICENSE', fileBytes: 1140 },
    { name: 'onnxruntime_qnn/Qualcomm_LICENSE.pdf', fileBytes: 147_577 },
    { name: 'onnxruntime_qnn/ThirdPartyNotices.txt', fileBytes: 69_810 },
    { name: 'onnxruntime_qnn.libs/libc++-71bc274c.so.1.0', fileBytes: 1_364_457 },
    { name: 'onnxruntime_qnn.libs/libc++abi-0539aa51.so.1.0', fileBytes: 259_161 },
    { name: 'onnxruntime_qnn.libs/libunwind-6b740a46.so.1.0', fileBytes: 45_809 },
  ],
};
