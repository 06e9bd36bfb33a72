import { link, mkdir, writeFile } from 'node:fs/promises';

/** What a store did to a disk, in order; files that are written to are told apart by numbers. */
export type DiskCall =
  | {
      readonly call: 'makeFolder' | 'remove' | 'removeFolder' | 'syncFolder';
      readonly path: string;
    }
  | { readonly call: 'rename' | 'link'; readonly from: string; readonly to: string }
  | { readonly call: 'open'; readonly file: number; readonly path: string }
  | { readonly call: 'resize'; readonly file: number; readonly length: number }
  | {
      readonly call: 'write';
      readonly file: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | { readonly call: 'sync'; readonly file: number };

/** Disks write sectors whole. */
const sectorBytes = 512;

interface FileNode {
  readonly kind: 'file';
  bytes: Uint8Array;
  /** What a `sync` has brought to the disk. */
  durable: Uint8Array;
}

interface FolderNode {
  readonly kind: 'folder';
  readonly names: Map<string, Node>;
  durable: Map<string, Node>;
}

type Node = FileNode | FolderNode;

/**
 * What is on the disk after a power cut, of what was not synced:
 * - `nothing`: neither content nor names;
 * - `names`: all names and no content, as of a file system that writes names first;
 * - `some`: of each folder its names or not, of each file any of the sectors, and its length or not.
 */
export type Survival = 'nothing' | 'names' | 'some';

/**
 * A disk in memory that calls are made on, and that knows what a power cut leaves of them by the words
 * of POSIX: the content of a file with `fsync` of it, a name with `fsync` of its folder.
 */
export class RecordedDisk {
  private readonly root: FolderNode = { kind: 'folder', names: new Map(), durable: new Map() };
  private readonly opened = new Map<number, FileNode>();

  /** Files that are there, and safe, to begin with; and folders, all of them safe. */
  constructor(files: Readonly<Record<string, Uint8Array>>, folders: readonly string[]) {
    for (const path of folders) this.folderAt(path, true);
    for (const [path, bytes] of Object.entries(files)) {
      const { folder, name } = this.place(path, true);
      folder.names.set(name, { kind: 'file', bytes, durable: bytes });
    }
    this.syncAll(this.root);
  }

  /** Does what a call does. */
  apply(call: DiskCall): void {
    switch (call.call) {
      case 'makeFolder':
        this.folderAt(call.path, true);
        return;
      case 'syncFolder': {
        const folder = this.folderAt(call.path, false);
        folder.durable = new Map(folder.names);
        return;
      }
      case 'remove':
      case 'removeFolder': {
        // Of what is not there nothing is removed.
        const { folder, name } = this.place(call.path, true);
        folder.names.delete(name);
        return;
      }
      case 'rename':
      case 'link': {
        const from = this.place(call.from);
        const to = this.place(call.to);
        const node = from.folder.names.get(from.name);
        if (node === undefined) throw new Error(`nothing at ${call.from}`);
        if (call.call === 'rename') from.folder.names.delete(from.name);
        to.folder.names.set(to.name, node);
        return;
      }
      case 'open': {
        const { folder, name } = this.place(call.path);
        const found = folder.names.get(name);
        const node =
          found?.kind === 'file'
            ? found
            : { kind: 'file' as const, bytes: new Uint8Array(), durable: new Uint8Array() };
        folder.names.set(name, node);
        this.opened.set(call.file, node);
        return;
      }
      case 'resize': {
        const node = this.opened.get(call.file)!;
        node.bytes = resized(node.bytes, call.length);
        return;
      }
      case 'write': {
        const node = this.opened.get(call.file)!;
        const end = call.offset + call.bytes.byteLength;
        node.bytes = resized(node.bytes, Math.max(end, node.bytes.byteLength));
        node.bytes.set(call.bytes, call.offset);
        return;
      }
      case 'sync': {
        const node = this.opened.get(call.file)!;
        node.durable = node.bytes.slice();
      }
    }
  }

  /** Writes what a power cut leaves to a real folder that is empty. */
  async cut(target: string, survival: Survival, random: () => number): Promise<void> {
    const written = new Map<FileNode, string>();
    const writeFolder = async ({ names, durable }: FolderNode, path: string): Promise<void> => {
      const isKept = survival === 'names' || (survival === 'some' && random() < 0.5);
      for (const [name, node] of isKept ? names : durable) {
        const at = `${path}/${name}`;
        if (node.kind === 'folder') {
          await mkdir(at);
          await writeFolder(node, at);
        } else if (written.has(node)) {
          await link(written.get(node)!, at);
        } else {
          written.set(node, at);
          await writeFile(at, survival === 'some' ? mixed(node, random) : node.durable);
        }
      }
    };
    await writeFolder(this.root, target);
  }

  private place(path: string, make = false): { folder: FolderNode; name: string } {
    const slash = path.lastIndexOf('/');
    return { folder: this.folderAt(path.slice(0, slash), make), name: path.slice(slash + 1) };
  }

  private folderAt(path: string, make: boolean): FolderNode {
    let folder = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      let next = folder.names.get(name);
      if (next === undefined && make) {
        next = { kind: 'folder', names: new Map(), durable: new Map() };
        folder.names.set(name, next);
      }
      if (next?.kind !== 'folder') throw new Error(`no folder at ${path}`);
      folder = next;
    }
    return folder;
  }

  private syncAll(folder: FolderNode): void {
    folder.durable = new Map(folder.names);
    for (const node of folder.names.values()) if (node.kind === 'folder') this.syncAll(node);
  }
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

/** The old and the new content, by sectors that the disk had written and others that it had not. */
function mixed({ bytes, durable }: FileNode, random: () => number): Uint8Array {
  const result = (random() < 0.5 ? bytes : durable).slice();
  for (let at = 0; at < result.byteLength; at += sectorBytes) {
    const end = Math.min(at + sectorBytes, result.byteLength);
    const from = random() < 0.5 ? bytes : durable;
    const sector = resized(from.subarray(at, end), end - at);
    result.set(sector, at);
  }
  return result;
}
