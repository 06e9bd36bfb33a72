/** One way to store a tensor. */
export interface StorageChoice {
  readonly bytes: number;
  /** What it costs in quality, at least 0. */
  readonly cost: number;
}

/**
 * Chooses one way for each tensor, so that all together have at most `budgetBytes` and cost little.
 * Begins with the smallest of each and spends what is left where a byte saves most, over the lower convex
 * hull of each tensor's ways: the greedy solution of the multiple-choice knapsack problem, which is
 * within one step of the best.
 *
 * @returns for each tensor the number of the chosen way; `undefined` where even the smallest ones are too
 * large together.
 */
export function chooseFormats(
  tensors: readonly (readonly StorageChoice[])[],
  budgetBytes: number,
): number[] | undefined {
  const hulls = tensors.map(lowerHull);
  const chosen = hulls.map((hull) => hull[0] ?? 0);
  let left =
    budgetBytes - tensors.reduce((sum, ways, i) => sum + (ways[chosen[i] ?? 0]?.bytes ?? 0), 0);
  if (left < 0) return undefined;
  const steps = hulls.flatMap((hull, tensor) =>
    hull.slice(1).map((to, index) => {
      const before = tensors[tensor]?.[hull[index] ?? 0];
      const after = tensors[tensor]?.[to];
      const bytes = (after?.bytes ?? 0) - (before?.bytes ?? 0);
      return {
        tensor,
        from: hull[index],
        to,
        bytes,
        gain: (before?.cost ?? 0) - (after?.cost ?? 0),
      };
    }),
  );
  // Of one tensor, steps come in the order of its hull, whose gains by byte fall.
  steps.sort((a, b) => b.gain / b.bytes - a.gain / a.bytes || a.tensor - b.tensor);
  for (const { tensor, from, to, bytes } of steps) {
    if (bytes > left || chosen[tensor] !== from) continue;
    chosen[tensor] = to;
    left -= bytes;
  }
  return chosen;
}

/** Numbers of the ways that no mixture of others beats, from the smallest. */
function lowerHull(ways: readonly StorageChoice[]): number[] {
  const order = ways
    .map((way, index) => ({ ...way, index }))
    .sort((a, b) => a.bytes - b.bytes || a.cost - b.cost);
  const hull: typeof order = [];
  for (const way of order) {
    const smaller = hull.at(-1);
    if (smaller && way.cost >= smaller.cost) continue;
    for (;;) {
      const [a, b] = hull.slice(-2);
      if (!a || !b || slope(a, b) > slope(b, way)) break;
      hull.pop();
    }
    hull.push(way);
  }
  return hull.map(({ index }) => index);
}

/** Cost that is saved by a byte. */
function slope(a: StorageChoice, b: StorageChoice): number {
  return (a.cost - b.cost) / (b.bytes - a.bytes);
}
