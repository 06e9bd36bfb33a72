/**
 * Which command installs a tool, by package manager. `python`, `pip` and `cxx` are ours; the other
 * keys are the tools' own names.
 *
 * @typedef {'cmake' | 'ninja' | 'cxx' | 'python' | 'pip' | 'git' | 'clang-format'} Tool
 */

/** What a person calls the tool. */
const spokenNames = {
  cmake: 'cmake',
  ninja: 'ninja',
  cxx: 'a C++ compiler',
  python: 'python3',
  pip: 'pip for python3',
  git: 'git',
  'clang-format': 'clang-format',
};

/** Package names by package manager, and how it is called. `root`: whether it needs root. */
const managers = {
  termux: {
    command: 'pkg install -y',
    root: false,
    packages: {
      cmake: 'cmake',
      ninja: 'ninja',
      cxx: 'clang',
      python: 'python',
      pip: 'python-pip',
      git: 'git',
      'clang-format': 'clang',
    },
  },
  apt: {
    command: 'apt-get install -y',
    root: true,
    packages: {
      cmake: 'cmake',
      ninja: 'ninja-build',
      cxx: 'g++',
      python: 'python3',
      pip: 'python3-pip',
      git: 'git',
      'clang-format': 'clang-format',
    },
  },
  dnf: {
    command: 'dnf install -y',
    root: true,
    packages: {
      cmake: 'cmake',
      ninja: 'ninja-build',
      cxx: 'gcc-c++',
      python: 'python3',
      pip: 'python3-pip',
      git: 'git',
      'clang-format': 'clang-tools-extra',
    },
  },
  pacman: {
    command: 'pacman -S --noconfirm',
    root: true,
    packages: {
      cmake: 'cmake',
      ninja: 'ninja',
      cxx: 'gcc',
      python: 'python',
      pip: 'python-pip',
      git: 'git',
      'clang-format': 'clang',
    },
  },
  apk: {
    command: 'apk add',
    root: true,
    packages: {
      cmake: 'cmake',
      ninja: 'ninja-build',
      cxx: 'g++',
      python: 'python3',
      pip: 'py3-pip',
      git: 'git',
      'clang-format': 'clang-extra-tools',
    },
  },
  brew: {
    command: 'brew install',
    root: false,
    packages: {
      cmake: 'cmake',
      ninja: 'ninja',
      cxx: 'llvm',
      python: 'python',
      pip: 'python',
      git: 'git',
      'clang-format': 'clang-format',
    },
  },
  winget: {
    command: 'winget install',
    root: false,
    packages: {
      cmake: 'Kitware.CMake',
      ninja: 'Ninja-build.Ninja',
      cxx: 'Microsoft.VisualStudio.2022.BuildTools',
      python: 'Python.Python.3.12',
      pip: 'Python.Python.3.12',
      git: 'Git.Git',
      'clang-format': 'LLVM.LLVM',
    },
  },
};

/**
 * One sentence that says what is missing and which command installs it.
 *
 * @param {readonly Tool[]} missing at least one
 * @param {object} system what is known of this machine
 * @param {keyof typeof managers | undefined} system.manager the package manager that is installed
 * @param {boolean} system.isRoot whether this user may install for all
 * @param {boolean} system.hasPython whether python3 with pip is there, the way in without root
 * @param {boolean} system.externallyManaged whether that python refuses `--user` unless told twice
 */
export function installAdvice(missing, { manager, isRoot, hasPython, externallyManaged }) {
  const what = `${list(missing.map((tool) => spokenNames[tool]))} ${missing.length === 1 ? 'is' : 'are'} missing`;
  const ways = [];
  if (manager !== undefined) {
    const { command, root, packages } = managers[manager];
    const names = [...new Set(missing.map((tool) => packages[tool]))].join(' ');
    ways.push(`"${root && !isRoot ? 'sudo ' : ''}${command} ${names}"`);
  }
  if (manager === undefined || (managers[manager].root && !isRoot)) {
    const { pip, conda } = withoutRoot(missing, hasPython);
    const flags = externallyManaged ? '--user --break-system-packages' : '--user';
    const commands = [
      pip.length > 0 ? `"python3 -m pip install ${flags} ${pip.join(' ')}"` : '',
      conda.length > 0 ? `"conda install -c conda-forge ${conda.join(' ')}"` : '',
    ].filter(Boolean);
    ways.push(`${manager === undefined ? '' : 'without root '}${commands.join(' and ')}`);
  }
  return `${what}: install ${missing.length === 1 ? 'it' : 'them'} with ${ways.join(', or ')}, then run the command again.`;
}

/** Splits what a user without root takes from PyPI and from conda-forge. */
function withoutRoot(missing, hasPython) {
  const fromPip = hasPython ? ['cmake', 'ninja', 'clang-format'] : [];
  const condaNames = {
    cxx: 'cxx-compiler',
    python: 'python',
    pip: 'pip',
    git: 'git',
    cmake: 'cmake',
    ninja: 'ninja',
    'clang-format': 'clang-format',
  };
  return {
    pip: missing.filter((tool) => fromPip.includes(tool)),
    conda: missing.filter((tool) => !fromPip.includes(tool)).map((tool) => condaNames[tool]),
  };
}

function list(words) {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
