/** The value below which a share of the numbers lies; they are left in order. */
export function quantile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Median of numbers. */
export const median = (numbers) => quantile(numbers, 0.5);

/**
 * Lower quartile: what a time is when little else disturbs it. Whatever else a machine does only adds
 * to a time, so this holds still where the median moves with the load.
 */
export const quiet = (numbers) => quantile(numbers, 0.25);
