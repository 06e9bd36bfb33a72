/** Where the files of one controller of this process lie. */
export interface CgroupFolders {
  /** Version of the interface that holds the controller. */
  readonly version: 1 | 2;
  /** The process's own group first, then every group above it that can be seen. */
  readonly folders: readonly string[];
}

interface CgroupMount {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  /** The group that lies at the mount point; not `/` in a container that shares the host's view. */
  readonly root: string;
  readonly mountPoint: string;
}

/**
 * Finds the folders of a controller from `/proc/self/cgroup` and `/proc/self/mountinfo`.
 *
 * Version 1 lists a controller by name; version 2 has one line `0::<path>` for all. On a system with
 * both, a controller belongs to version 1 where its line is there. A path outside what is mounted
 * (`/../..` in a container's own view) means the mount point itself.
 *
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html
 */
export function cgroupFolders(
  controller: 'memory' | 'cpu',
  selfCgroup: string,
  mountinfo: string | undefined,
): CgroupFolders | undefined {
  const lines = selfCgroup.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line.trim());
    return match === null
      ? []
      : [{ controllers: (match[1] ?? '').split(','), path: match[2] ?? '/' }];
  });
  const versionOne = lines.find((line) => line.controllers.includes(controller));
  const line = versionOne ?? lines.find(({ controllers }) => controllers[0] === '');
  if (line === undefined) return undefined;

  const version = versionOne === undefined ? 2 : 1;
  const mount = (mountinfo === undefined ? [] : parseMounts(mountinfo)).find(
    (candidate) =>
      candidate.version === version &&
      (version === 2 || candidate.controllers.includes(controller)),
  ) ?? {
    root: '/',
    mountPoint: version === 2 ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`,
  };
  return { version, folders: foldersUpwards(mount, line.path) };
}

function foldersUpwards(
  mount: Pick<CgroupMount, 'root' | 'mountPoint'>,
  path: string,
): readonly string[] {
  const root = mount.root === '/' ? '' : mount.root;
  const inside = path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '/';
  const names = inside.split('/').filter(Boolean);
  const kept = names.includes('..') ? [] : names;
  return Array.from({ length: kept.length + 1 }, (_, up) =>
    [mount.mountPoint, ...kept.slice(0, kept.length - up)].join('/'),
  );
}

function parseMounts(mountinfo: string): readonly CgroupMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    // Optional fields of any number stand before the separator " - ".
    const [before, after] = line.split(' - ');
    const type = after?.split(' ')[0];
    if (before === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    const fields = before.split(' ');
    return [
      {
        version: type === 'cgroup2' ? 2 : 1,
        controllers: (after?.split(' ')[2] ?? '').split(','),
        root: unescapePath(fields[3] ?? '/'),
        mountPoint: unescapePath(fields[4] ?? ''),
      } satisfies CgroupMount,
    ];
  });
}

/** The kernel writes blanks and backslashes of a path as three octal digits. */
function unescapePath(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
