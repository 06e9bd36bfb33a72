/**
 * Runs jobs in their order, some at a time.
 *
 * @template T
 * @param {number} lanes how many at a time; at least 1
 * @param {readonly (() => Promise<T>)[]} jobs
 * @returns {Promise<T[]>} what they came to, in their order. Rejects with the first failure, after
 * which no job is begun.
 */
export async function inLanes(lanes, jobs) {
  const results = Array(jobs.length);
  let next = 0;
  const lane = async () => {
    while (next < jobs.length) {
      const index = next++;
      try {
        results[index] = await jobs[index]();
      } catch (error) {
        next = jobs.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
