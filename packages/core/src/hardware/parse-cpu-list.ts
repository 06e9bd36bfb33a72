/**
 * Reads the kernel's lists of CPUs: `0-3,8` is 0, 1, 2, 3 and 8. Ascending and without repeats;
 * `undefined` for text that is no such list. An empty text is an empty list.
 */
export function parseCpuList(text: string): readonly number[] | undefined {
  const cpus = new Set<number>();
  const list = text.trim();
  if (list === '') return [];
  for (const range of list.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range.trim());
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first) return undefined;
    for (let cpu = first; cpu <= last; cpu += 1) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}
