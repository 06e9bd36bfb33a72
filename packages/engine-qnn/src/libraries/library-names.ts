/** File names of the two libraries that the engine opens. */
export interface LibraryNames {
  /** HTP back end: graphs are made and run by it. */
  readonly backend: string;
  /** Reader of context binaries. */
  readonly system: string;
}

const elf: LibraryNames = { backend: 'libQnnHtp.so', system: 'libQnnSystem.so' };
const windows: LibraryNames = { backend: 'QnnHtp.dll', system: 'QnnSystem.dll' };

/** What the libraries are called on a platform; `undefined` where Qualcomm makes none for it. */
export function libraryNames(os: string): LibraryNames | undefined {
  switch (os) {
    case 'linux':
    case 'android':
    case 'react-native':
      return elf;
    case 'win32':
      return windows;
    default:
      return undefined;
  }
}

/**
 * Folders below `lib` of Qualcomm's SDK with the libraries of a platform, the likeliest first; named by
 * the SDK's own convention of processor, system and compiler.
 */
export function sdkFolders(os: string, arch: string): readonly string[] {
  const folders: Readonly<Record<string, readonly string[]>> = {
    'linux-x64': ['x86_64-linux-clang'],
    'linux-arm64': [
      'aarch64-oe-linux-gcc11.2',
      'aarch64-ubuntu-gcc9.4',
      'aarch64-oe-linux-gcc9.3',
      'aarch64-oe-linux-gcc8.2',
    ],
    'android-arm64': ['aarch64-android'],
    'win32-x64': ['x86_64-windows-msvc'],
    'win32-arm64': ['aarch64-windows-msvc', 'arm64x-windows-msvc'],
  };
  return folders[`${os}-${arch}`] ?? [];
}

/** How somebody gets the libraries for a platform within their licence, as a sentence. */
export function howToGetLibraries(os: string, arch: string): string {
  const sdk =
    "Qualcomm's AI Engine Direct SDK (QAIRT, from Qualcomm's developer site), whose folder the environment variable QNN_SDK_ROOT names";
  if (os === 'android' || os === 'react-native') {
    return 'An Android application carries them itself: add the Maven package com.qualcomm.qti:qnn-runtime to it. Elsewhere on Android, copy the libraries of lib/aarch64-android from the SDK and name their folder in MOBILLM_QNN_LIBRARY_DIR.';
  }
  if (os === 'linux' && arch === 'x64') {
    return `Install ${sdk}; or the Python package onnxruntime-qnn ("python3 -m pip install --no-deps onnxruntime-qnn"), which carries the emulator for x86-64.`;
  }
  if (os === 'linux' || os === 'win32') {
    return `Install ${sdk}; or the Python package onnxruntime-qnn ("python3 -m pip install --no-deps onnxruntime-qnn").`;
  }
  return `Qualcomm makes none for ${os}: use another engine here.`;
}
